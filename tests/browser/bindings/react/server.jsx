import { renderToString } from "react-dom/server";
import { SynclineProvider } from "syncline-react";

import { Page } from "./page.jsx";

export function render({ url, token, places }) {
  return renderToString(
    <SynclineProvider url={url} token={token}>
      <Page places={places} />
    </SynclineProvider>,
  );
}
