// The kinds of answers to questions, in the order of the tabs.
export const ANSWERS = [
  { prefix: "eff", collection: "effects", title: "Effect estimate", tab: "Effects" },
  { prefix: "sht", collection: "sheets", title: "Answer sheet", tab: "Answer sheets" },
  { prefix: "seg", collection: "segments", title: "Segment estimate", tab: "Segments" },
];
