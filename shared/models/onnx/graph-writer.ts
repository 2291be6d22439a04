/** Collects nodes and names their outputs, so that building a graph reads like calling functions. */
import type { OnnxAttribute, OnnxConstant, OnnxNode, OnnxType } from './onnx-model.ts';

export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxConstant[] = [];
  #next = 0;

  /** Adds a node with one output and returns that output's name (`output`, or a new one). */
  op(op: string, inputs: string[], attributes: Record<string, OnnxAttribute> = {}, output = this.name(op)): string {
    this.nodes.push({ op, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  /** A node of ONNX Runtime's own operator set. `outputs` counts from the first; '' leaves one out. */
  contrib(op: string, inputs: string[], outputs: string[], attributes: Record<string, OnnxAttribute>): void {
    this.nodes.push({ op, domain: 'com.microsoft', inputs, outputs, attributes });
  }

  name(hint: string): string {
    return `${hint}_${this.#next++}`;
  }

  /** Gives the output of the last node another name. */
  renameLast(name: string): string {
    const node = this.nodes.at(-1)!;
    node.outputs[0] = name;
    return name;
  }

  int64(values: number[], scalar = false): string {
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    return this.#constant('i64', scalar ? [] : [values.length], bytes);
  }

  float(value: number): string {
    return this.#constant('f32', [], new Uint8Array(Float32Array.of(value).buffer));
  }

  #constant(type: OnnxType, shape: number[], bytes: Uint8Array): string {
    const name = this.name('constant');
    this.constants.push({ name, type, shape, bytes });
    return name;
  }
}
