import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { SynclineProvider } from "syncline-react";

import { Board } from "./Board.jsx";

const name = `guest-${crypto.randomUUID().slice(0, 4)}`;

async function login() {
  const response = await fetch(`/token?identity=${name}`);
  if (!response.ok) throw new Error(`no token: HTTP ${response.status}`); // asked again
  return response.json();
}

const { url } = await login();

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <SynclineProvider url={url} token={async () => (await login()).token}>
      <Board name={name} />
    </SynclineProvider>
  </StrictMode>,
);
