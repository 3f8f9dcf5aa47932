/** The test page in React: one section for each place. */

import { memo } from "react";
import {
  useConnection,
  useDocument,
  useList,
  useMap,
  useMapItem,
  useMapKeys,
  useStream,
} from "syncline-react";

import { countRender, messages, recordStatus, textOf } from "../shared.js";

function Section({ place, state, children }) {
  const { status, error, reopen } = state;
  recordStatus(place, status);
  return (
    <section data-testid={place} data-status={status}>
      <h2>{place}</h2>
      <p className="status">{status}</p>
      {children}
      {error && <p className="error">{textOf(error)}</p>}
      {status === "error" || status === "removed" ? <button onClick={reopen}>Open again</button> : null}
    </section>
  );
}

function Document({ place, name, options }) {
  const state = useDocument(name, options);
  return (
    <Section place={place} state={state}>
      <pre className="data">{JSON.stringify(state.data)}</pre>
      <Part data={state.data?.part} place={place} />
      <button onClick={() => state.increment("/n")}>Increment</button>
    </Section>
  );
}

const Part = memo(function Part({ place }) {
  countRender(`part:${place}`);
  return null;
});

const Row = memo(function Row({ item }) {
  const id = item.key ?? item.index;
  countRender(`row:${id}`);
  return <li>{`${id}: ${item.data.n}`}</li>;
});

function Items({ place, use, name }) {
  const state = use(name);
  globalThis.items = state;
  return (
    <Section place={place} state={state}>
      <ol>
        {state.items.map((item) => (
          <Row key={item.key ?? item.index} item={item} />
        ))}
      </ol>
    </Section>
  );
}

function Cells({ place, name }) {
  const state = useMapKeys(name);
  countRender(`cells:${place}`);
  return (
    <Section place={place} state={state}>
      <ol>
        {state.keys.map((key) => (
          <Cell key={key} map={state} id={key} />
        ))}
      </ol>
    </Section>
  );
}

const Cell = memo(function Cell({ map, id }) {
  const { data, increment } = useMapItem(map, id);
  countRender(`cell:${id}`);
  return (
    <li>
      <span>{`${id}: ${data?.n}`}</span> <button onClick={() => increment("/n")}>{`Add to ${id}`}</button>
    </li>
  );
});

function Stream({ place, name }) {
  const state = useStream(name, { keep: 2, onMessage: ({ data }) => messages.push(data.n) });
  return (
    <Section place={place} state={state}>
      <pre className="data">{JSON.stringify(state.messages.map(({ data }) => data.n))}</pre>
      <button onClick={() => state.publishMessage({ n: messages.length })}>Publish</button>
    </Section>
  );
}

function Connection() {
  const { state } = useConnection();
  return <p data-testid="connection">{state}</p>;
}

const KINDS = {
  document: Document,
  map: (props) => <Items use={useMap} {...props} />,
  list: (props) => <Items use={useList} {...props} />,
  cells: Cells,
  stream: Stream,
};

export function Page({ places }) {
  return (
    <main>
      <h1>React</h1>
      <Connection />
      {places.map(({ place, kind, ...props }) => {
        const Kind = KINDS[kind];
        return <Kind key={place} place={place} {...props} />;
      })}
    </main>
  );
}
