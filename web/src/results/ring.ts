/** Rows of numbers, the newest so many of them, in typed arrays: nothing is allocated while it runs. */

/**
 * Every number is written twice, `capacity` apart, so that the newest rows always lie in one piece and can be
 * handed out as views, without copying and without a seam.
 */
export class Ring {
  readonly capacity: number;
  readonly width: number;
  private readonly columns: Float64Array[];
  private written = 0;

  /** @param width numbers in a row @param capacity rows that are kept */
  constructor(width: number, capacity: number) {
    this.width = width;
    this.capacity = capacity;
    this.columns = Array.from({ length: width }, () => new Float64Array(2 * capacity));
  }

  /** Rows that are there, 0..capacity. */
  get length(): number {
    return Math.min(this.written, this.capacity);
  }

  /** Adds a row, in place of the oldest where it is full. What is missing at its end counts as NaN. */
  push(row: ArrayLike<number>): void {
    const at = this.written % this.capacity;
    for (let index = 0; index < this.width; index++) {
      const column = this.columns[index] as Float64Array;
      column[at] = column[at + this.capacity] = row[index] ?? Number.NaN;
    }
    this.written++;
  }

  /** The newest `rows` numbers of a column, oldest first: a view, which holds until the next push. */
  column(index: number, rows = this.length): Float64Array {
    const column = this.columns[index];
    if (!column) throw new RangeError(`column ${index} of ${this.width}`);
    const count = Math.min(rows, this.length);
    const end = this.written < this.capacity ? this.written : (this.written % this.capacity) + this.capacity;
    return column.subarray(end - count, end);
  }

  /** How many of the newest rows have at least `value` in a column that never falls (a time). */
  since(index: number, value: number): number {
    const column = this.column(index);
    let low = 0;
    let high = column.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((column[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return column.length - low;
  }
}
