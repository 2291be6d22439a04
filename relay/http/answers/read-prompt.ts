/** Prompts of any form to token ids that the model can take, or a refusal that names the parameter. */

import type { TextCodec } from '../../../sdk/text/text-codec.ts';
import { toVesselError, VesselError } from '../../../shared/protocol/errors.ts';
import type { ModelInfo } from '../http-deps.ts';
import { httpLimits } from '../http-limits.ts';
import { RequestError } from '../request-error.ts';

/**
 * Encodes what a caller wrote.
 * @param characters how long the text is, to refuse it unread when it cannot fit
 * @throws RequestError with `param`
 */
export function encodePrompt(model: ModelInfo, param: string, characters: number, encode: () => number[]): number[] {
  if (characters > model.context * httpLimits.maxCharactersPerToken) {
    throw new RequestError('context_exceeded', `The prompt is longer than the model's context of ${model.context} tokens.`, {
      param,
    });
  }
  let ids: number[];
  try {
    ids = encode();
  } catch (cause) {
    const { code, message } = toVesselError(cause);
    throw new RequestError(code, message, { param, cause });
  }
  return checkIds(model, param, ids);
}

export function checkIds(model: ModelInfo, param: string, ids: number[]): number[] {
  if (ids.length === 0)
    throw new RequestError('bad_request', 'The prompt is empty: the model needs at least one token.', { param });
  const outside = ids.find((id) => id >= model.vocab);
  if (outside === undefined) return ids;
  throw new RequestError('bad_request', `This model has no token ${outside}: its ids end at ${model.vocab - 1}.`, { param });
}

/** @throws RequestError `model_not_found` */
export async function requireModel(
  models: { find(nameOrId: string): ModelInfo | undefined | Promise<ModelInfo | undefined> },
  name: string,
): Promise<ModelInfo> {
  const model = await models.find(name);
  if (model) return model;
  throw new RequestError('model_not_found', 'There is no such model here: GET /v1/models lists those that are.', {
    param: 'model',
  });
}

/** A tokenizer that cannot be loaded is the relay's trouble, not the caller's. */
export async function requireCodec(codec: Promise<TextCodec>): Promise<TextCodec> {
  try {
    return await codec;
  } catch (cause) {
    const { code } = toVesselError(cause);
    if (code === 'bad_checkpoint') throw new VesselError('internal', 'The tokenizer of this model is damaged.', { cause });
    throw cause;
  }
}
