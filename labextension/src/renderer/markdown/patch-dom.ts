// Changes one DOM tree into another and keeps every node that is already correct, so a selection, the focus or an open
// <details> in an unchanged part survives.

function sameElement(a: Node, b: Node): boolean {
  return a instanceof Element && b instanceof Element && a.cloneNode().isEqualNode(b.cloneNode());
}

function updateText(a: Text, b: Text): void {
  if (a.data === b.data) return;
  if (b.data.startsWith(a.data)) a.appendData(b.data.slice(a.data.length));
  else a.data = b.data;
}

/** Change the children of `from` into those of `to`. Nodes move out of `to`, so it cannot be used afterwards. */
export function patchChildren(from: Node, to: Node): void {
  let a = from.firstChild;
  let b = to.firstChild;
  while (b) {
    const nextB = b.nextSibling;
    if (!a) {
      from.appendChild(b);
    } else {
      const nextA: ChildNode | null = a.nextSibling;
      if (a instanceof Text && b instanceof Text) updateText(a, b);
      else if (a.isEqualNode(b)) /* keep */ void 0;
      else if (sameElement(a, b)) patchChildren(a, b);
      else from.replaceChild(b, a);
      a = nextA;
    }
    b = nextB;
  }
  while (a) {
    const nextA: ChildNode | null = a.nextSibling;
    a.remove();
    a = nextA;
  }
}
