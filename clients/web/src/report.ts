const WIDEST = 1280;

/**
 * The report on the screen as one page that needs nothing else: it can be kept, sent and printed.
 *
 * @param article The verdict as it is shown; what is marked `data-screen` is for the screen alone.
 * @param language Its language.
 */
export async function report(article: HTMLElement, language: string): Promise<Blob> {
  const copy = article.cloneNode(true) as HTMLElement;
  const shown = article.querySelector<HTMLImageElement | HTMLVideoElement>(".stage img, .stage video");
  const copied = copy.querySelector(".stage img, .stage video");
  if (shown && copied) {
    const picture = document.createElement("img");
    picture.src = still(shown);
    picture.alt = shown.getAttribute("alt") ?? shown.getAttribute("aria-label") ?? "";
    copied.replaceWith(picture);
  }
  copy.querySelectorAll("[data-screen]").forEach((element) => element.remove());
  copy.querySelectorAll("details").forEach((element) => (element.open = true));
  const styles = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText));
  // Text, not a document: the Content-Security-Policy of this page would hold for its styles.
  const head = `<meta charset="utf-8"><title>${document.title}</title><style>${styles.join("\n")}</style>`;
  const body = `<main><h1>${document.title}</h1>${copy.outerHTML}</main>`;
  return new Blob([`<!doctype html>\n<html lang="${language}"><head>${head}</head><body>${body}</body></html>\n`], {
    type: "text/html",
  });
}

/** Gives a file to whoever sits before the screen. */
export function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function still(shown: HTMLImageElement | HTMLVideoElement): string {
  const picture = shown instanceof HTMLImageElement;
  const width = picture ? shown.naturalWidth : shown.videoWidth;
  const height = picture ? shown.naturalHeight : shown.videoHeight;
  const scale = Math.min(1, WIDEST / Math.max(width, height, 1));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d")!.drawImage(shown, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.9);
}
