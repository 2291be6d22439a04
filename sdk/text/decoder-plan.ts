/**
 * A tokenizer.json describes decoding as a chain of text transforms over the whole list of tokens. For every family Vessel
 * runs, that chain says no more than: each token stands for some bytes, and perhaps the text loses its first space. This file
 * reads the chain into that form, which is what makes streaming exact and cheap. A chain that says more is refused.
 */
import { z } from 'zod';
import { VesselError } from '../../shared/protocol/errors.ts';

export interface DecoderPlan {
  /** `byte-level`: characters are bytes in disguise. `pieces`: text with replacements, and perhaps `<0xNN>` byte tokens. */
  alphabet: 'byte-level' | 'pieces';
  replacements: { pattern: string; content: string }[];
  byteFallback: boolean;
  /** What the start of a text loses: `count` copies of the ASCII character `byte`. */
  strip: { byte: number; count: number } | null;
  /** Metaspace decoders drop every ▁ of the first token instead of turning it into a space. */
  dropInFirst: string | null;
}

/** No regular expressions: one that backtracks without end over a token of its own choosing would stop whoever asks. */
const patternSchema = z.object({ String: z.string() });
const stepSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ByteLevel') }),
  z.object({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
  z.object({ type: z.literal('ByteFallback') }),
  z.object({ type: z.literal('Fuse') }),
  z.object({ type: z.literal('Strip'), content: z.string(), start: z.number().int(), stop: z.number().int() }),
  z.object({
    type: z.literal('Metaspace'),
    replacement: z.string().default('▁'),
    prepend_scheme: z.string().optional(),
    add_prefix_space: z.boolean().optional(),
  }),
]);
const chainSchema = z.union([
  z.object({ type: z.literal('Sequence'), decoders: z.array(stepSchema) }).transform((chain) => chain.decoders),
  stepSchema.transform((step) => [step]),
]);
type Step = z.infer<typeof stepSchema>;

/**
 * Reads the `decoder` entry of a tokenizer.json.
 * @throws VesselError `bad_checkpoint` when the chain cannot be said as bytes per token.
 */
export function parseDecoderPlan(decoder: unknown): DecoderPlan {
  const chain = chainSchema.safeParse(decoder);
  if (!chain.success) throw refused('its decoder is missing or of a kind that no language family here uses');
  const plan: DecoderPlan = { alphabet: 'pieces', replacements: [], byteFallback: false, strip: null, dropInFirst: null };
  let isFused = false;
  for (const step of chain.data) {
    applyStep(plan, step, isFused);
    isFused ||= step.type === 'Fuse' || step.type === 'ByteLevel';
  }
  return plan;
}

function applyStep(plan: DecoderPlan, step: Step, isFused: boolean): void {
  switch (step.type) {
    case 'ByteLevel':
      plan.alphabet = 'byte-level';
      return;
    case 'Replace':
      // After Fuse a pattern could match across tokens, which no table of bytes per token can say.
      if (isFused) throw refused('it replaces text after fusing tokens');
      plan.replacements.push({ pattern: step.pattern.String, content: step.content });
      return;
    case 'ByteFallback':
      plan.byteFallback = true;
      return;
    case 'Fuse':
      return;
    case 'Strip':
      if (!isFused || step.stop !== 0) throw refused('it strips text inside or at the end of an answer');
      if (step.content.length !== 1 || step.content.charCodeAt(0) > 0x7f) throw refused('it strips a character beyond ASCII');
      plan.strip = { byte: step.content.charCodeAt(0), count: step.start };
      return;
    case 'Metaspace':
      plan.replacements.push({ pattern: step.replacement, content: ' ' });
      if (step.prepend_scheme !== 'never' && step.add_prefix_space !== false) plan.dropInFirst = step.replacement;
      return;
    default:
      step satisfies never;
  }
}

function refused(reason: string): VesselError {
  return new VesselError('bad_checkpoint', `The tokenizer cannot be used: ${reason}.`);
}
