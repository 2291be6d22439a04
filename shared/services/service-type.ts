/**
 * A service type: one kind of work on a whole ONNX graph. Adding one takes a folder here (what asker, relay and provider must
 * agree on), a folder of the same name under `provider/services` (how to run it), and one line in each side's `registry.ts`.
 * Messages, scheduling and metering know service types only through this interface.
 */
import type { z } from 'zod';
import { VesselError } from '../protocol/errors.ts';
import type { GraphSignature } from './graph-signature.ts';

export interface ServiceMeter {
  /** What is counted, e.g. "image" or "audio-ms". */
  unit: string;
  /** Whole units: amounts are multiplied by prices in integers. */
  amount: number;
}

/**
 * `Settings` come with the model's manifest, `Order` is the JSON header of one order (its bytes follow as attachment), `Result`
 * is a JSON object. Functions are written as methods so that types of any shape fit into one registry.
 */
export interface ServiceType<Settings = unknown, Order = unknown, Result = unknown> {
  /** The name in manifests and of the folders. */
  readonly name: string;
  readonly settings: z.ZodType<Settings>;
  readonly order: z.ZodType<Order>;
  readonly result: z.ZodType<Result>;
  /** Bytes one order may attach; at most limits.maxServiceBytes. */
  readonly maxInputBytes: number;
  /** What `meter` counts, e.g. "image" or "audio-ms". */
  readonly unit: string;
  /**
   * A unit is priced as this many positions of a prompt in one layer (`shared/receipts/price.ts`): how heavy it is beside a
   * language model's work.
   */
  readonly positionsPerUnit: number;
  /** Whether orders of one session build on each other, so that they must stay in order and on one provider. */
  readonly streaming: boolean;
  /** Throws `bad_checkpoint` with the reason when the graph cannot serve with these settings. */
  checkGraph(graph: GraphSignature, settings: Settings): void;
  /** Units that an order can come to at most, known before it is worked on: what is quoted and promised for it. */
  mostUnits(order: Order, inputBytes: number, settings: Settings): number;
  /** What it came to. Never more than `mostUnits`. */
  meter(order: Order, result: Result): ServiceMeter;
}

/** A type with the settings of one graph: all that it takes to say what an order costs. */
export interface MeteredService {
  readonly type: ServiceType;
  readonly settings: unknown;
}

/** Throws `bad_checkpoint` naming each setting that is wrong. */
export function meteredService(type: ServiceType, settings: unknown): MeteredService {
  return { type, settings: parseSettings(type, settings) };
}

/** Positions that an order is priced as at most. Throws `bad_request` when it breaks the type's rules. */
export function mostPositions({ type, settings }: MeteredService, order: unknown, inputBytes: number): number {
  return type.mostUnits(parseOrder(type, order, inputBytes), inputBytes, settings) * type.positionsPerUnit;
}

/** Positions that an order was, by its result. Throws `bad_output` when that does not have the form of the type, or is more than the most. */
export function positionsOf(service: MeteredService, order: unknown, inputBytes: number, result: unknown): number {
  const { type } = service;
  const parsed = type.result.safeParse(result);
  if (!parsed.success) throw new VesselError('bad_output', 'The provider’s result does not have the form of the service.');
  const positions = type.meter(parseOrder(type, order, inputBytes), parsed.data).amount * type.positionsPerUnit;
  if (positions <= mostPositions(service, order, inputBytes)) return positions;
  throw new VesselError('bad_output', 'The provider’s result says of more work than the order can be.');
}

/** The settings of a manifest, defaults filled in. Throws `bad_checkpoint` naming each field that is wrong. */
export function parseSettings<Settings>(type: ServiceType<Settings>, settings: unknown): Settings {
  const parsed = type.settings.safeParse(settings);
  if (parsed.success) return parsed.data;
  throw new VesselError('bad_checkpoint', `Settings of ${type.name}: ${describeIssues(parsed.error)}`, { cause: parsed.error });
}

/** The header of an order. Throws `bad_request` when header or attachment break the type's rules. */
export function parseOrder<Order>(
  type: Pick<ServiceType<unknown, Order>, 'name' | 'order' | 'maxInputBytes'>,
  order: unknown,
  inputBytes: number,
): Order {
  if (inputBytes > type.maxInputBytes) {
    throw new VesselError('bad_request', `An order of ${type.name} may attach ${type.maxInputBytes} bytes, not ${inputBytes}.`);
  }
  const parsed = type.order.safeParse(order);
  if (parsed.success) return parsed.data;
  throw new VesselError('bad_request', `Order of ${type.name}: ${describeIssues(parsed.error)}`, { cause: parsed.error });
}

function describeIssues(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message)).join('; ');
}
