/** OKLCH to sRGB, and contrast. Sources: B. Ottosson, "A perceptual color space for image processing"; WCAG 2.2. */

export type Rgb = readonly [number, number, number]; // linear light, 0..1 inside the gamut

/** @param lightness 0..1 @param chroma 0..0.4 @param hue degrees */
export function linear(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
}

function inGamut(colour: Rgb): boolean {
  return colour.every((channel) => channel > -1e-4 && channel < 1 + 1e-4);
}

/** The colour with the largest chroma up to `chroma` that a screen can show. */
export function shown(lightness: number, chroma: number, hue: number): Rgb {
  let low = 0;
  let high = chroma;
  const whole = linear(lightness, chroma, hue);
  if (inGamut(whole)) return whole;
  for (let step = 0; step < 14; step++) {
    const middle = (low + high) / 2;
    if (inGamut(linear(lightness, middle, hue))) low = middle;
    else high = middle;
  }
  return linear(lightness, low, hue);
}

/** Relative luminance of linear light, 0..1. */
export function luminance([red, green, blue]: Rgb): number {
  return 0.2126 * clamp(red) + 0.7152 * clamp(green) + 0.0722 * clamp(blue);
}

/** WCAG's contrast of two luminances, 1..21. */
export function contrast(one: number, other: number): number {
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}

/** `#rrggbb` as luminance. */
export function luminanceOf(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => decoded(Number.parseInt(hex.slice(at, at + 2), 16) / 255));
  return luminance([red ?? 0, green ?? 0, blue ?? 0]);
}

/** As `#rrggbb`. */
export function hex(colour: Rgb): string {
  const parts = colour.map((channel) => Math.round(encoded(clamp(channel)) * 255));
  return `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

function encoded(channel: number): number {
  return channel <= 0.0031308 ? 12.92 * channel : 1.055 * channel ** (1 / 2.4) - 0.055;
}

function decoded(channel: number): number {
  return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
}
