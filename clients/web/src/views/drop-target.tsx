import { useEffect, useState } from "preact/hooks";

import { useSpeech } from "../words";

/** Takes files that are dropped anywhere on the page. */
export function DropTarget({ open }: { open: (files: FileList) => void }) {
  const { words } = useSpeech();
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.type === "dragover");
      if (event.type === "drop") open(event.dataTransfer.files);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    window.addEventListener("dragover", drag);
    window.addEventListener("drop", drag);
    window.addEventListener("dragleave", leave);
    return () => {
      window.removeEventListener("dragover", drag);
      window.removeEventListener("drop", drag);
      window.removeEventListener("dragleave", leave);
    };
  }, [open]);
  return over ? <div class="drop-veil">{words.choose.drop}</div> : null;
}
