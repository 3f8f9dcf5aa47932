// Socket.IO with the Redis adapter: a room for each document. Arguments: port, URL of Redis, and
// "confirming" for events that each client acknowledges.
import { createServer } from "node:http";

import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const ACKNOWLEDGED_WITHIN = 10_000;

const [port, redis, mode] = process.argv.slice(2);
const publisher = createClient({ url: redis });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, {
  adapter: createAdapter(publisher, subscriber),
  transports: ["websocket"],
});

// Its documentation advises this, to save memory.
io.engine.on("connection", (raw) => {
  raw.request = null;
});

io.on("connection", (socket) => {
  socket.on("follow", async (document, done) => {
    await socket.join(document);
    done();
  });
  socket.on("write", (document, data, done) => {
    if (mode === "confirming") {
      io.to(document).timeout(ACKNOWLEDGED_WITHIN).emit("update", data, () => {});
    } else {
      io.to(document).emit("update", data);
    }
    done();
  });
});

http.listen(Number(port), "127.0.0.1");
