import { type RefObject, useEffect, useState } from "react";

/** Where the square that the model sees lies on the stage: its side, px, round the centre. */
export interface Square {
  side: number;
  /** the stage shows more of the picture than that */
  within: boolean;
}

/** Of a picture that covers the stage. @param still whether the canvas shows it, in place of the video */
export function useSquare(
  stage: RefObject<HTMLElement | null>,
  video: RefObject<HTMLVideoElement | null>,
  canvas: RefObject<HTMLCanvasElement | null>,
  still: boolean,
): Square {
  const [square, setSquare] = useState<Square>({ side: 0, within: false });
  useEffect(() => {
    const [element, picture] = [stage.current, video.current];
    if (!element || !picture) return undefined;
    const measure = (): void => {
      const { clientWidth: width, clientHeight: height } = element;
      const [across, down] = still
        ? [canvas.current?.width ?? 0, canvas.current?.height ?? 0]
        : [picture.videoWidth, picture.videoHeight];
      const side = across && down ? Math.max(width / across, height / down) * Math.min(across, down) : 0;
      setSquare({ side, within: side > 0 && side <= height + 1 && side < width - 8 });
    };
    measure();
    const resized = new ResizeObserver(measure);
    resized.observe(element);
    picture.addEventListener("resize", measure);
    return () => {
      resized.disconnect();
      picture.removeEventListener("resize", measure);
    };
  }, [stage, video, canvas, still]);
  return square;
}
