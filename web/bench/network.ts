/** EfficientNet-Lite0 in TensorFlow.js, with random weights: the same work as the promoted model's network. */

import * as tf from "@tensorflow/tfjs-core";

/** kernel side, stride, expansion, channels out, times: M. Tan and R. Liu, EfficientNet-Lite, 2020 (variant 0) */
const STAGES = [
  [3, 1, 1, 16, 1],
  [3, 2, 6, 24, 2],
  [5, 2, 6, 40, 2],
  [3, 2, 6, 80, 3],
  [5, 1, 6, 112, 3],
  [5, 2, 6, 192, 4],
  [3, 1, 6, 320, 1],
] as const;
const STEM = 32; // channels
const HEAD = 1280; // channels

type Layer = (x: tf.Tensor4D) => tf.Tensor4D;
type Activation = "relu6" | "linear";

export interface Network {
  /** multiplications with additions for one picture */
  macs: number;
  /** [size, size, 3], 0..255, to [classes] that sum to 1 */
  run(rgb: Uint8Array): Promise<Float32Array>;
}

/**
 * How its layers run. "layers": convolution, batch norm and activation one after the other, as tfjs-layers runs a
 * Keras model. "fused": batch norm folded into the convolution, bias and activation fused with it, as TensorFlow's
 * converter leaves a model that is to be served; it is the fastest that TensorFlow.js has to offer.
 */
export type Style = "layers" | "fused";

/** @param size px; divisible by 32 */
export function lite0(size: number, classes: number, style: Style): Network {
  const layers = new Layers(size, style);
  const stem = layers.convolution(3, 2, 3, STEM, "relu6");
  const blocks: Layer[] = [];
  let channels = STEM;
  for (const [kernel, stride, expansion, out, times] of STAGES) {
    for (let time = 0; time < times; time++) {
      blocks.push(layers.block(kernel, time === 0 ? stride : 1, expansion, channels, out));
      channels = out;
    }
  }
  const head = layers.convolution(1, 1, channels, HEAD, "relu6");
  const matrix = random<tf.Tensor2D>([HEAD, classes], HEAD);
  return {
    macs: layers.macs + HEAD * classes,
    run: async (rgb) => {
      const answer = tf.tidy(() => {
        const image = tf.tensor4d(rgb, [1, size, size, 3], "int32");
        let x = tf.sub(tf.mul(tf.cast(image, "float32"), 1 / 127.5), 1) as tf.Tensor4D;
        for (const layer of [stem, ...blocks, head]) x = layer(x);
        return tf.softmax(tf.matMul(tf.mean(x, [1, 2]) as tf.Tensor2D, matrix));
      });
      const probabilities = (await answer.data()) as Float32Array;
      answer.dispose();
      return probabilities;
    },
  };
}

/** Makes layers one after the other, and counts. */
class Layers {
  private side: number;
  private readonly style: Style;
  macs = 0;

  constructor(side: number, style: Style) {
    this.side = side;
    this.style = style;
  }

  convolution(kernel: number, strides: number, from: number, to: number, activation: Activation): Layer {
    const filter = random<tf.Tensor4D>([kernel, kernel, from, to], kernel * kernel * from);
    this.count(strides, kernel * kernel * from * to);
    if (this.style === "layers") return normalised((x) => tf.conv2d(x, filter, strides, "same"), to, activation);
    const bias = tf.zeros([to]);
    return (x) => tf.fused.conv2d({ x, filter, strides, pad: "same", bias, activation });
  }

  depthwise(kernel: number, strides: number, channels: number): Layer {
    const filter = random<tf.Tensor4D>([kernel, kernel, channels, 1], kernel * kernel);
    this.count(strides, kernel * kernel * channels);
    if (this.style === "layers") {
      return normalised((x) => tf.depthwiseConv2d(x, filter, strides, "same"), channels, "relu6");
    }
    const bias = tf.zeros([channels]);
    return (x) => tf.fused.depthwiseConv2d({ x, filter, strides, pad: "same", bias, activation: "relu6" });
  }

  /** Inverted residual. */
  block(kernel: number, stride: number, expansion: number, from: number, to: number): Layer {
    const wide = from * expansion;
    const widen = expansion > 1 ? this.convolution(1, 1, from, wide, "relu6") : (x: tf.Tensor4D) => x;
    const middle = this.depthwise(kernel, stride, wide);
    const narrow = this.convolution(1, 1, wide, to, "linear");
    const skip = stride === 1 && from === to;
    return (x) => {
      const y = narrow(middle(widen(x)));
      return skip ? tf.add(x, y) : y;
    };
  }

  private count(stride: number, each: number): void {
    this.side /= stride;
    this.macs += this.side * this.side * each;
  }
}

/** With a batch norm that changes nothing; it takes its time all the same. */
function normalised(layer: Layer, channels: number, activation: Activation): Layer {
  const [mean, variance, offset, scale] = [tf.zeros, tf.ones, tf.zeros, tf.ones].map(
    (make) => make([channels]) as tf.Tensor1D,
  ) as [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
  return (x) => {
    const y = tf.batchNorm(layer(x), mean, variance, offset, scale) as tf.Tensor4D;
    return activation === "relu6" ? tf.relu6(y) : y;
  };
}

/** Of a size that keeps activations in their usual range: zeros and infinities would take another time. */
function random<T extends tf.Tensor>(shape: number[], inputs: number): T {
  return tf.randomNormal(shape, 0, Math.sqrt(2 / inputs), "float32", 1) as T;
}
