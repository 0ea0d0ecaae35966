// Looking at a picture: zoom, rotation, pages, keys. Without this file the plain picture and the links work.

const MOST = 8;
const STEP = 1.25;
const QUIET_FIELDS = "input, select, textarea, [contenteditable]";

class Viewer {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector(".view");
    this.paper = root.querySelector(".paper");
    this.image = root.querySelector("img");
    this.page = Number(root.dataset.page);
    this.pages = Number(root.dataset.pages);
    this.scale = 1; // screen pixels for each pixel of the usual picture
    this.fitted = true;
    this.turns = 0; // quarters, clockwise
    this.usual = { width: 0, height: 0 };
    this.isWide = false;
    root.classList.add("live");
    root.querySelector("[data-tools]").hidden = false;
    this.image.addEventListener("load", () => this.arrived());
    this.image.addEventListener("error", () => this.stage.classList.remove("waits"));
    if (this.image.complete && this.image.naturalWidth) this.arrived();
    new ResizeObserver(() => this.fitted && this.lay()).observe(this.stage);
    this.listen();
    this.prefetch();
  }

  // A picture has come: the usual one gives the measure, the wide one only sharpens it.
  arrived() {
    this.stage.classList.remove("waits");
    if (!this.isWide) {
      this.usual = { width: this.image.naturalWidth, height: this.image.naturalHeight };
    }
    this.lay();
  }

  get isOnItsSide() {
    return this.turns % 2 === 1;
  }

  // The scale at which the picture, as it is turned, is as wide as the stage.
  fitting() {
    const across = this.isOnItsSide ? this.usual.height : this.usual.width;
    return across ? this.stage.clientWidth / across : 1;
  }

  lay() {
    if (!this.usual.width) return;
    if (this.fitted) this.scale = this.fitting();
    const width = this.usual.width * this.scale;
    const height = this.usual.height * this.scale;
    this.paper.style.width = `${this.isOnItsSide ? height : width}px`;
    this.paper.style.height = `${this.isOnItsSide ? width : height}px`;
    this.image.style.width = `${width}px`;
    this.image.style.height = `${height}px`;
    this.image.style.transform = `translate(-50%, -50%) rotate(${this.turns * 90}deg)`;
    this.root.querySelector("[data-scale]").textContent = `${Math.round(this.scale * 100)}%`;
    this.sharpen(width);
  }

  // Beyond its own pixels a picture that was drawn for the screen comes again, drawn wider.
  sharpen(width) {
    if (this.isWide || width * window.devicePixelRatio <= this.usual.width * 1.05) return;
    const wide = new Image();
    const page = this.page;
    this.isWide = true;
    wide.src = this.address(page, true);
    wide.decode().then(() => {
      if (this.page === page) this.image.src = wide.src;
    }, () => {});
  }

  // What lies under the point stays there; the middle of the stage unless told otherwise.
  zoom(scale, point) {
    const box = this.stage.getBoundingClientRect();
    const x = point ? point.x - box.left : box.width / 2;
    const y = point ? point.y - box.top : box.height / 2;
    const before = this.scale;
    const least = Math.min(this.fitting(), 1) / 4;
    this.scale = Math.min(Math.max(scale, least), MOST);
    this.fitted = false;
    const left = (this.stage.scrollLeft + x) * (this.scale / before) - x;
    const top = (this.stage.scrollTop + y) * (this.scale / before) - y;
    this.lay();
    this.stage.scrollTo(left, top);
  }

  do(what) {
    const deeds = {
      larger: () => this.zoom(this.scale * STEP),
      smaller: () => this.zoom(this.scale / STEP),
      actual: () => this.zoom(1),
      fit: () => this.fit(),
      left: () => this.turn(3),
      right: () => this.turn(1),
      help: () => this.help(),
    };
    deeds[what]();
  }

  fit() {
    this.fitted = true;
    this.lay();
    this.stage.scrollTo(0, 0);
  }

  turn(quarters) {
    this.turns = (this.turns + quarters) % 4;
    this.lay();
  }

  help() {
    const keys = this.root.querySelector("[data-keys]");
    keys.open = !keys.open;
    if (keys.open) keys.scrollIntoView({ block: "nearest" });
  }

  address(page, wide) {
    const query = wide ? `?page=${page}&width=${this.root.dataset.wide}` : `?page=${page}`;
    return this.root.dataset.picture + query;
  }

  // The page's address goes along, so that reload, back and sharing lead to what is seen.
  show(page) {
    if (page < 1 || page > this.pages || page === this.page) return;
    this.page = page;
    this.isWide = false;
    this.stage.classList.add("waits");
    this.image.src = this.address(page, false);
    this.image.alt = this.root.dataset.alt.replace("#", page);
    this.stage.scrollTo(0, 0);
    this.root.querySelector("[data-place]").textContent = `${page} / ${this.pages}`;
    this.root.querySelector("[data-goto] [name=page]").value = page;
    for (const link of this.root.querySelectorAll("[data-turn]")) {
      const there = page + Number(link.dataset.turn);
      link.hidden = there < 1 || there > this.pages;
      link.href = this.place(there);
    }
    window.history.replaceState(window.history.state, "", this.place(page));
    this.prefetch();
  }

  place(page) {
    const url = new URL(window.location.href);
    url.searchParams.set("file", this.root.dataset.file);
    url.searchParams.set("page", page);
    return url.href;
  }

  prefetch() {
    if (this.page < this.pages) new Image().src = this.address(this.page + 1, false);
  }

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      const link = event.target.closest("[data-turn]");
      if (button) this.do(button.dataset.do);
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.show(this.page + Number(link.dataset.turn));
    });
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      this.show(Math.round(Number(event.target.elements.page.value)));
    });
    this.stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(this.scale * Math.exp(-event.deltaY / 300), { x: event.clientX, y: event.clientY });
    }, { passive: false });
    this.stage.addEventListener("dblclick", (event) => {
      if (this.fitted) this.zoom(Math.max(1, this.scale * 2), { x: event.clientX, y: event.clientY });
      else this.fit();
    });
    this.drag();
    this.pinch();
  }

  // A mouse draws the picture along.
  drag() {
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0 || event.target === this.stage) return;
      event.preventDefault();
      this.stage.focus({ preventScroll: true });
      this.stage.setPointerCapture(event.pointerId);
      this.stage.classList.add("held");
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (!this.stage.classList.contains("held")) return;
      this.stage.scrollBy(-event.movementX, -event.movementY);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.stage.addEventListener(end, () => this.stage.classList.remove("held"));
    }
  }

  // Two fingers zoom, one scrolls as anywhere.
  pinch() {
    let before = null;
    const reach = (touches) => ({
      distance: Math.hypot(touches[0].clientX - touches[1].clientX, touches[0].clientY - touches[1].clientY),
      x: (touches[0].clientX + touches[1].clientX) / 2,
      y: (touches[0].clientY + touches[1].clientY) / 2,
    });
    this.stage.addEventListener("touchstart", (event) => {
      before = event.touches.length === 2 ? { ...reach(event.touches), scale: this.scale } : null;
    }, { passive: true });
    this.stage.addEventListener("touchmove", (event) => {
      if (!before || event.touches.length !== 2) return;
      event.preventDefault();
      const now = reach(event.touches);
      this.zoom(before.scale * (now.distance / before.distance), now);
    }, { passive: false });
    this.stage.addEventListener("touchend", () => { before = null; });
  }

  key(event) {
    const deeds = {
      "+": "larger", "=": "larger", "-": "smaller", "0": "fit", "1": "actual", "r": "right", "R": "left", "?": "help",
    };
    const turns = { ArrowLeft: -1, ArrowRight: 1, PageUp: -1, PageDown: 1 };
    if (event.key in deeds) {
      this.do(deeds[event.key]);
      return true;
    }
    const scrolls = event.key.startsWith("Arrow") && this.stage.scrollWidth > this.stage.clientWidth + 1;
    if (event.key in turns && this.pages > 1 && !scrolls) {
      this.show(this.page + turns[event.key]);
      return true;
    }
    return false;
  }
}

const root = document.querySelector("[data-viewer]");
const viewer = root && new Viewer(root);

// From file to file and from document to document there are links, whether or not there is a picture.
const LINKS = { "[": "[data-key-file='-1']", "]": "[data-key-file='1']", p: "[data-key-document='-1']", n: "[data-key-document='1']" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(QUIET_FIELDS)) return;
  const link = event.key in LINKS && document.querySelector(LINKS[event.key]);
  if (link) {
    event.preventDefault();
    link.click();
  } else if (viewer && viewer.key(event)) {
    event.preventDefault();
  }
});
