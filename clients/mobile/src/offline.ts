/**
 * Has the service worker keep the app, so that it works without a network.
 *
 * @returns Whether it does: false where there is none (app shells bring their files), or it could not keep everything.
 */
export async function keep(): Promise<boolean> {
  if (!import.meta.env.PROD || !("serviceWorker" in navigator)) return false;
  try {
    const registration = await navigator.serviceWorker.register("./service-worker.js");
    const installing = registration.installing;
    if (installing && !registration.active)
      await new Promise<void>((resolve, reject) => {
        installing.addEventListener("statechange", () => {
          if (installing.state === "redundant") reject(new Error("not installed"));
        });
        navigator.serviceWorker.addEventListener("controllerchange", () => resolve());
      });
    return registration.active !== null;
  } catch {
    return false;
  }
}
