/** A list in order of arrival, which its members can leave from anywhere at once. */

/** What a member of a chain carries; it is in one chain at a time, if in any. */
export interface Link<L> {
  before: L | undefined;
  after: L | undefined;
}

export class Chain<L extends Link<L>> {
  first: L | undefined;
  last: L | undefined;
  size = 0;

  /** Puts a link at the end. */
  append(link: L): void {
    link.before = this.last;
    if (this.last === undefined) this.first = link;
    else this.last.after = link;
    this.last = link;
    this.size++;
  }

  /** Takes a link out; returns whether it was in. */
  remove(link: L): boolean {
    if (link.before === undefined && this.first !== link) return false;
    if (link.before === undefined) this.first = link.after;
    else link.before.after = link.after;
    if (link.after === undefined) this.last = link.before;
    else link.after.before = link.before;
    link.before = link.after = undefined;
    this.size--;
    return true;
  }
}
