/** The function that `/beacon.js` defines on the page. No call throws or blocks. */
interface Beacon {
  /**
   * Queue an event.
   *
   * @param eventType 1 to 128 characters, not blank, such as `"signup"`.
   * @param properties Any values that JSON can hold. They are serialized at the call.
   */
  (eventType: string, properties?: Record<string, unknown>): void;

  /** Set `user_id` on all later events of the session; `null` removes it. */
  identify(userId: string | number | null): void;

  /** Send the queue now. By default it is sent one second after its first event. */
  flush(): void;
}

declare const beacon: Beacon;

interface Window {
  beacon?: Beacon;
}
