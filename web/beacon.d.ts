/** What `/beacon.js` puts on the page. No call throws, and none waits for anything. */
interface Beacon {
  /**
   * Queue an event.
   *
   * @param eventType 1 to 128 characters, not blank, such as `"signup"`.
   * @param properties Whatever JSON can hold, taken as it is at this moment.
   */
  (eventType: string, properties?: Record<string, unknown>): void;

  /** Put `user_id` on every event from now on, for the session; `null` ends that. */
  identify(userId: string | number | null): void;

  /** Send what is queued now; otherwise that is done a second after the first. */
  flush(): void;
}

declare const beacon: Beacon;

interface Window {
  beacon?: Beacon;
}
