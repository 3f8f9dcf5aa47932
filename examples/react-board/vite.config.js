import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // The two packages of Syncline come from this checkout, and take what they need from here.
  resolve: { dedupe: ["react", "react-dom", "syncline"] },
  // `npm run dev`: serve.py, beside it, mints the tokens.
  server: { proxy: { "/token": "http://127.0.0.1:8000" } },
});
