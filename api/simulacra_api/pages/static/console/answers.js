// What shows the answers of each kind, by collection: the tab of a dataset, and one of them.
import { Effect, Effects } from "./effects.js";
import { Segment, Segments } from "./segments.js";
import { Sheet, Sheets } from "./sheets.js";

export const VIEWS = { effects: [Effects, Effect], segments: [Segments, Segment], sheets: [Sheets, Sheet] };
