/** A place for one thing: what nobody took in time is dropped for what is newer. */
export class Latest<T> {
  /** How many were dropped. */
  dropped = 0;
  private item: T | null = null;
  private taker: ((item: T | null) => void) | null = null;
  private ended = false;

  /** @param drop Told what is dropped. */
  constructor(private readonly drop: (item: T) => void) {}

  put(item: T): void {
    if (this.ended) return this.drop(item);
    if (this.taker) {
      this.taker(item);
      this.taker = null;
      return;
    }
    if (this.item !== null) {
      this.drop(this.item);
      this.dropped++;
    }
    this.item = item;
  }

  /** The newest, as soon as there is one; null after the end. */
  take(): Promise<T | null> {
    const item = this.item;
    this.item = null;
    if (item !== null || this.ended) return Promise.resolve(item);
    return new Promise((resolve) => (this.taker = resolve));
  }

  end(): void {
    this.ended = true;
    if (this.item !== null) this.drop(this.item);
    this.item = null;
    this.taker?.(null);
  }
}
