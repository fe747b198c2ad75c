/** Pages other than Alerts: one chunk, loaded when one of them is opened. */
import type { Component } from 'svelte';
import BlindSpots from './BlindSpots.svelte';
import Inspections from './Inspections.svelte';
import Missing from './Missing.svelte';
import Nodes from './Nodes.svelte';
import Overview from './Overview.svelte';
import Rule from './Rule.svelte';
import Rules from './Rules.svelte';
import Settings from './Settings.svelte';
import Tuning from './Tuning.svelte';

export const pages: Record<string, Component> = {
  overview: Overview,
  inspections: Inspections,
  inspection: Inspections,
  rules: Rules,
  rule: Rule,
  tuning: Tuning,
  nodes: Nodes,
  node: Nodes,
  'blind-spots': BlindSpots,
  settings: Settings,
  missing: Missing,
};
