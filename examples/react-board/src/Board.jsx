import { memo, useState } from "react";
import { useConnection, useMap } from "syncline-react";

const COLUMNS = ["To do", "Doing", "Done"];

export function Board({ name }) {
  const { state } = useConnection();
  const { status, error, items, set, update, remove, reopen } = useMap("board");

  if (status === "loading") return <p>Opening the board…</p>;
  if (status !== "ready") {
    return (
      <p>
        {error?.message ?? "The board was removed."} <button onClick={reopen}>Open it again</button>
      </p>
    );
  }
  return (
    <>
      <header>
        <h1>Tasks</h1>
        <p>
          You are {name} · <span data-state={state}>{state}</span>
        </p>
      </header>
      <NewTask add={(title) => set(newKey(), { title, column: 0, by: name })} />
      <main>
        {COLUMNS.map((title, column) => (
          <section key={title} aria-label={title}>
            <h2>{title}</h2>
            <ul>
              {items
                .filter((item) => item.data.column === column)
                .map((item) => (
                  <Task key={item.key} item={item} update={update} remove={remove} />
                ))}
            </ul>
          </section>
        ))}
      </main>
    </>
  );
}

/** The items of a map are in the order of their keys: here, the order in which tasks were added. */
function newKey() {
  return `${Date.now().toString(36)}-${crypto.randomUUID().slice(0, 8)}`;
}

function NewTask({ add }) {
  const [title, setTitle] = useState("");
  async function submit(event) {
    event.preventDefault();
    if (title.trim() === "") return;
    setTitle("");
    await add(title.trim());
  }
  return (
    <form onSubmit={submit}>
      <input
        aria-label="New task"
        placeholder="What is to be done?"
        value={title}
        onChange={(event) => setTitle(event.target.value)}
      />
      <button>Add</button>
    </form>
  );
}

// Only a task that has changed renders again: the items of the others are the same objects as before.
const Task = memo(function Task({ item, update, remove }) {
  const { title, column, by } = item.data;
  const move = (step) => update(item.key, { column: column + step });
  return (
    <li>
      <strong>{title}</strong>
      <small>{by}</small>
      <nav>
        <button aria-label={`Move ${title} back`} disabled={column === 0} onClick={() => move(-1)}>
          ←
        </button>
        <button
          aria-label={`Move ${title} on`}
          disabled={column === COLUMNS.length - 1}
          onClick={() => move(1)}
        >
          →
        </button>
        <button aria-label={`Remove ${title}`} onClick={() => remove(item.key)}>
          ×
        </button>
      </nav>
    </li>
  );
});
