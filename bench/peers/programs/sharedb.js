// ShareDB over ws with its Redis pub/sub. Arguments: port, URL of Redis, documents to create.
import { createServer } from "node:http";
import { promisify } from "node:util";

import WebSocketJSONStream from "@teamwork/websocket-json-stream";
import ShareDB from "sharedb";
import redisPubSub from "sharedb-redis-pubsub";
import { WebSocketServer } from "ws";

const [port, redis, documents] = process.argv.slice(2);
const pubsub = redisPubSub({ url: redis });
const backend = new ShareDB({ db: new ShareDB.MemoryDB(), pubsub });

const connection = backend.connect();
for (let number = 0; number < Number(documents); number += 1) {
  const name = String(number).padStart(5, "0");
  const document = connection.get("bench", name);
  await promisify(document.create).call(document, { text: "", count: 0 });
  // Where the first subscriptions come at the same moment, it would send each of them every
  // operation as many times: this one comes alone.
  const operations = await promisify(pubsub.subscribe).call(pubsub, `bench.${name}`);
  operations.resume();
}

const http = createServer();
const sockets = new WebSocketServer({ server: http });
sockets.on("connection", (socket) => {
  const stream = new WebSocketJSONStream(socket);
  // A client that leaves while operations are written to it breaks its stream, which must not end
  // the server: the clients that still contend would wait for their answers permanently.
  stream.on("error", () => socket.terminate());
  backend.listen(stream);
});
http.listen(Number(port), "127.0.0.1");
