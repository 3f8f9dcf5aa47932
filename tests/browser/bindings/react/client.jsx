import { StrictMode, useLayoutEffect, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { Client } from "syncline";
import { SynclineProvider } from "syncline-react";

import { given } from "../shared.js";
import { Page } from "./page.jsx";
import Readme from "./readme/App.jsx";

function App({ provided, places }) {
  const [state, setState] = useState({ provided, places });
  useLayoutEffect(() => {
    globalThis.show = (places) => setState(({ provided }) => ({ provided, places }));
    globalThis.provide = (provided) => setState(({ places }) => ({ provided, places }));
  }, []);
  return (
    <SynclineProvider {...state.provided}>
      <Page places={state.places} />
    </SynclineProvider>
  );
}

globalThis.given = given;

/** A client of the page's own, for `provide`. */
globalThis.connect = (settings) => {
  const { url, token, options } = given(settings);
  return new Client(token, { ...options, url });
};

globalThis.start = ({ places = [], isRendered = false, ...settings }) => {
  const root = document.getElementById("root");
  const app = (
    <StrictMode>
      <App provided={given(settings)} places={places} />
    </StrictMode>
  );
  const mounted = isRendered ? hydrateRoot(root, app) : createRoot(root);
  if (!isRendered) mounted.render(app);
  globalThis.stop = () => mounted.unmount();
};

globalThis.startReadme = (element) => createRoot(element).render(<Readme />);
