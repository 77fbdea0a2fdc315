// A program in TypeScript as a user would write it: `tsc` must find nothing wrong with it but what is said to be wrong.
import {
  MISSED,
  NEW_SEQUENCE,
  ServerError,
  StreamLost,
  connect,
  stream,
  streamFrom,
  type Connection,
  type Reply,
  type Update,
} from "skiprnn-client";

const url = "ws://127.0.0.1:8000/v1/models/watch/stream";

async function* samples(): AsyncGenerator<number[] | null | typeof MISSED | typeof NEW_SEQUENCE> {
  yield [0, 1, 0.5];
  yield null;
  yield MISSED;
  yield NEW_SEQUENCE;
}

export async function all(): Promise<Update[]> {
  const updates: Update[] = [];
  for await (const update of stream([url], samples(), { streamId: "a", retry: { whenFull: "drop" }, chunk: 4 })) {
    const label: string | null = update.label;
    const alarm: string | undefined = update.event?.label;
    const most: number = Math.max(...update.y) - (alarm ? 1 : 0);
    updates.push(label === null || most < 0 ? { ...update, label: "none" } : update);
  }
  for await (const { t } of streamFrom(url, (t) => (t === 1 ? MISSED : t < 3 ? Float32Array.of(t, t, t) : null))) updates.length = t;
  return updates;
}

export async function one(): Promise<number> {
  const connection: Connection = await connect(url, { encoding: "json", ticket: async () => "t" });
  try {
    const reply: Reply = await connection.send([[0, 1, 0.5]], { t: connection.nextNeeded });
    const later: number = (await connection.missed(2, { t: reply.wake })).wake;
    return later + (await connection.end()).updates + connection.ready.classes.length;
  } catch (error) {
    if (error instanceof ServerError) return error.next ?? -1;
    if (error instanceof StreamLost) return error.t;
    throw error;
  }
}

// @ts-expect-error there are two encodings
export const encoding = connect(url, { encoding: "f64" });
// @ts-expect-error samples are numbers
export const words = stream(url, ["one"]);
export async function readOnly(connection: Connection): Promise<void> {
  // @ts-expect-error what the server decides is not ours to set
  connection.wake = 3;
}
