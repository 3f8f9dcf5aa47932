import { hydrate, mount, unmount } from "svelte";

import { given } from "../shared.js";
import Page from "./Page.svelte";
import Readme from "./readme/App.svelte";

globalThis.start = ({ places = [], isRendered = false, ...settings }) => {
  const props = $state({ provided: null, places: [] });
  Object.assign(props, { provided: given(settings), places });
  globalThis.show = (places) => {
    props.places = places;
  };
  const target = document.getElementById("root");
  const page = (isRendered ? hydrate : mount)(Page, { target, props });
  globalThis.stop = () => unmount(page);
};

globalThis.startReadme = (target) => mount(Readme, { target });
