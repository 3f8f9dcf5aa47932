// Results that Vitest remembers stay out of the sources.
export default { cacheDir: "../../../node_modules/.vite" };
