// Makes one tree of nodes look like another while it keeps every node that is already right,
// so that a selection, a focus or an opened <details> in the unchanged part survives.

function sameElement(a: Node, b: Node): boolean {
  return a instanceof Element && b instanceof Element && a.cloneNode().isEqualNode(b.cloneNode());
}

function updateText(a: Text, b: Text): void {
  if (a.data === b.data) return;
  if (b.data.startsWith(a.data)) a.appendData(b.data.slice(a.data.length));
  else a.data = b.data;
}

/** Change the children of `from` into those of `to`, which is used up. */
export function morph(from: Node, to: Node): void {
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
      else if (sameElement(a, b)) morph(a, b);
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
