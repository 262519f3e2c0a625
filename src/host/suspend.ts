/** Ctrl-Z was pressed in a prompt; it stands on the screen again after `fg`. */
class Suspended extends Error {}

/**
 * Asks, and asks again after Ctrl-Z and `fg`. A prompt reads single keys, so that Ctrl-Z is a key and no signal; readline sends
 * the signal to this process alone (Node.js, lib/internal/readline/interface.js, _ttyWrite), and sudo or a program that started
 * this one would go on to wait. So the prompt is ended, which gives the terminal back as it was, and the signal goes to the whole
 * process group, as a terminal's own does.
 */
export async function askThroughStops<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  for (;;) {
    const stopped = new AbortController()
    const onStop = (): void => stopped.abort(new Suspended())
    process.on('SIGTSTP', onStop)
    try {
      return await ask(stopped.signal)
    } catch (error) {
      if (!stopped.signal.aborted) throw error
    } finally {
      process.off('SIGTSTP', onStop)
    }
    process.kill(0, 'SIGTSTP')
    await continued()
  }
}

/** The signal stops the process where it is; what comes after that runs when it goes on. */
function continued(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50))
}
