// Changes one DOM tree into another and keeps every node that is already correct, so a selection, the focus or an open
// <details> in an unchanged part survives. Where a node is replaced, the same characters stay selected.

interface Point {
  readonly node: Node;
  readonly offset: number;
}

function sameElement(a: Node, b: Node): boolean {
  return a instanceof Element && b instanceof Element && a.cloneNode().isEqualNode(b.cloneNode());
}

function updateText(a: Text, b: Text): void {
  if (a.data === b.data) return;
  if (b.data.startsWith(a.data)) a.appendData(b.data.slice(a.data.length));
  else a.data = b.data;
}

/** Return how many characters of the text of `root` are before the point, or null if it is not in it. */
function charactersBefore(root: Node, { node, offset }: Point): number | null {
  if (!root.contains(node)) return null;
  const range = document.createRange();
  range.setStart(root, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

function pointAfter(root: Node, characters: number): Point {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let left = characters;
  let last: Text | null = null;
  while (texts.nextNode()) {
    last = texts.currentNode as Text;
    if (left <= last.length) return { node: last, offset: left };
    left -= last.length;
  }
  return last ? { node: last, offset: last.length } : { node: root, offset: 0 };
}

/** Change the children of `root` by calling `change`, and keep what is selected in it. */
export function keepSelection(root: Node, change: () => void): void {
  const selection = getSelection();
  if (!selection?.anchorNode || !selection.focusNode) {
    change();
    return;
  }
  const anchor: Point = { node: selection.anchorNode, offset: selection.anchorOffset };
  const focus: Point = { node: selection.focusNode, offset: selection.focusOffset };
  const [before, end] = [charactersBefore(root, anchor), charactersBefore(root, focus)];
  change();
  if (before === null && end === null) return;
  if (anchor.node.isConnected && focus.node.isConnected) return;
  const from = before === null ? anchor : pointAfter(root, before);
  const to = end === null ? focus : pointAfter(root, end);
  selection.setBaseAndExtent(from.node, from.offset, to.node, to.offset);
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
