/**
 * The forms that the manager's API answers with.
 *
 * Times are RFC 3339 in UTC. Ids of groups and shapes are 16 hexadecimal digits. Cursors mean nothing to the page.
 * To be generated from `/api/v1/openapi.json` one day; until then this file is the page's side of the contract.
 */

export type Level = 'critical' | 'high' | 'medium' | 'low' | 'info';
export const LEVELS: readonly Level[] = ['critical', 'high', 'medium', 'low', 'info'];

export type Status = 'open' | 'escalated' | 'acknowledged' | 'dismissed';
export const STATUSES: readonly Status[] = ['open', 'escalated', 'acknowledged', 'dismissed'];

export type Reason = 'false_positive' | 'expected' | 'accepted' | 'duplicate' | 'other';

export type GroupBy = 'sig_pair' | 'sig' | 'workload' | 'source' | 'none';
export type SortBy = 'last_seen' | 'severity' | 'count' | 'first_seen';

/** RFC 9457, with the place of an error in a query (bytes of its UTF-8 text). */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  offset?: number;
  length?: number;
  suggestion?: string;
  count?: number;
}

export interface Me {
  user: string;
  how: 'token' | 'kubernetes' | 'certificate' | 'oidc';
  can: { read: boolean; act: boolean; tune: boolean; admin: boolean };
  /** Namespaces in which one may; null: all. */
  reach: { read: string[] | null; act: string[] | null; tune: string[] | null };
  csrf?: string;
  version: string;
  cluster: string;
  standalone: boolean;
}

/** A way to sign in that begins elsewhere. */
export interface Provider {
  name: string;
  url: string;
}

export interface Party {
  display: string;
  namespace: string | null;
  kind: string | null;
  name: string | null;
  pods: number;
  addresses: string[];
  address_count: number;
}

export interface PartyLite {
  display: string;
  namespace?: string | null;
  kind?: string | null;
  name?: string | null;
}

export interface Mitre {
  id: string;
  name: string | null;
  url?: string;
}

export interface Group {
  id: string;
  gid: number;
  sid: number;
  rev: number;
  msg: string;
  classtype: string | null;
  severity: number;
  level: Level;
  action: string;
  client: Party;
  server: Party;
  server_port: number | null;
  inspection: string | null;
  service: string | null;
  mitre: Mitre[];
  count: number;
  /** Of `count`, alerts in the range that was asked for; null where none was, or where they were too many to count. */
  in_range?: number | null;
  /** Alerts that a suppression hides. */
  suppressed?: number;
  shapes: number;
  first_seen: string;
  last_seen: string;
  status: Status;
  assignee: string | null;
  reason: string | null;
  comments: number;
  reopened_at: string | null;
  noisy: boolean;
  visibility: 'full' | 'partial';
  blind_spots: string[];
  /** Events in 24 equal parts of the range that was asked for. */
  spark: number[];
  version: number;
}

export interface HistoryEntry {
  at: string;
  by: string;
  what: string;
  detail?: string | null;
}

export interface Comment {
  at: string;
  by: string;
  text: string;
}

export interface Shape {
  shape: string;
  count: number;
  first_seen: string;
  last_seen: string;
  opened: boolean;
  sample_event: string;
}

export interface GroupDetail extends Group {
  history: HistoryEntry[];
  comments_list: Comment[];
  pods: { side: 'client' | 'server'; pod: string; count: number }[];
  ports: { port: number; count: number }[];
  days: { day: string; count: number }[];
  shapes_list: Shape[];
  suppressed: number;
}

export interface Endpoint {
  ip: string;
  port?: number | null;
}

export interface EventRow {
  id: string;
  time: string;
  group: string;
  gid: number;
  sid: number;
  msg: string;
  level: Level;
  severity: number;
  client: PartyLite;
  server: PartyLite;
  source: Endpoint | null;
  destination: Endpoint | null;
  service: string | null;
  direction: string | null;
  shape: string | null;
  status: Status;
  suppressed_by: string | null;
}

export interface EvidenceBuffer {
  name: string;
  /** Offset in the whole buffer of the first byte kept. */
  offset: number;
  b64: string;
  /** Length of the whole buffer. */
  length: number;
}

export interface EvidenceMatch {
  option: number;
  text: string;
  buffer: string;
  offset: number;
  length: number;
}

export interface Evidence {
  buffers: EvidenceBuffer[];
  matches: EvidenceMatch[];
  payload_b64: string;
  payload_length: number;
  packet_b64?: string;
  packet_linktype?: number;
  /** Packets of the conversation up to the alert, where an Inspection asks for them. */
  packets?: { time: string; b64: string; length: number }[];
}

export interface WorkloadRef {
  namespace: string;
  pod: string;
  owner_kind?: string;
  owner_name?: string;
  service?: string;
  labels?: Record<string, string>;
}

/** The event as Tapir keeps it (`format=tapir`). Readers take what is there. */
export interface EventDocument {
  id: string;
  time: string;
  observed: string;
  rule: {
    gid: number;
    sid: number;
    rev: number;
    msg?: string;
    classtype?: string;
    class?: string;
    priority: number;
    references?: [string, string, string | null][];
    metadata?: [string, string][];
    action: string;
    text?: string;
    place?: string;
  };
  protocol: string;
  generator: string;
  direction?: 'to_server' | 'to_client';
  source?: Endpoint;
  destination?: Endpoint;
  client?: WorkloadRef;
  server?: WorkloadRef;
  inspection?: { namespace: string; name: string };
  service?: string;
  packet_len: number;
  truncated: boolean;
  wire?: { vlan?: number; ttl?: number; tos?: number; tcp?: number[]; ethernet?: unknown };
  flow?: {
    id: number;
    start: string;
    client: Endpoint;
    server: Endpoint;
    packets: [number, number];
    bytes: [number, number];
    missing: [number, number];
    midstream: boolean;
  };
  interface: string;
  session?: {
    http?: Record<string, string | number>;
    dns?: { name?: string; kind?: number; id: number; rcode?: number };
    tls?: { sni?: string; version?: string };
  };
  evidence?: Evidence;
  rule_set: string;
  suppressed_by?: string;
  severity: number;
  level: Level;
  group: string;
  shape: string | null;
  visibility: 'full' | 'partial';
  blind_spots: string[];
  community_id: string | null;
}

export type EventFormat = 'tapir' | 'calico' | 'eve' | 'ecs' | 'ocsf' | 'cef' | 'fast';

export interface WhyOption {
  index: number;
  text: string;
  words: string;
  outcome: 'matched' | 'not_recorded';
  buffer: string | null;
  offset: number | null;
  length: number | null;
}

export interface Why {
  options: WhyOption[];
  /** What the rule's header and its `flow` ask for, in words. */
  traffic?: string;
  rule_text: string;
  references: string[];
  mitre: Mitre[];
  class: string | null;
  priority: number;
}

export interface Related {
  same_flow: EventRow[];
  same_client: EventRow[];
  same_server: EventRow[];
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface GroupPage extends Page<Group> {
  total: { count: number; exact: boolean };
  as_of: string;
  /** Count of changes before the list was made: a stream that begins after it loses nothing. */
  change: number;
  partial: boolean;
}

export interface Bucket extends Record<Level, number> {
  at: string;
}

export interface Histogram {
  from: string;
  to: string;
  step_seconds: number;
  buckets: Bucket[];
}

export interface ValueCount {
  value: string;
  count: number;
}

export interface Facet {
  field: string;
  values: ValueCount[];
  more: boolean;
}

/** Groups of each state; of those in `at_least` there may be more. */
export type Counts = Record<Status, number> & { exact?: boolean; at_least?: Status[] };

export type ActionName = 'dismiss' | 'acknowledge' | 'escalate' | 'reopen' | 'assign' | 'comment';

export interface ActionRequest {
  ids?: string[];
  query?: string;
  from?: string;
  to?: string;
  status?: Status | 'all';
  action: ActionName;
  reason?: Reason;
  comment?: string;
  assignee?: string;
  until?: string;
  expected_count?: number;
}

export interface ActionAnswer {
  changed: number;
  groups: Group[];
  undo: string | null;
  undo_until: string | null;
}

export interface Scope {
  client?: string;
  server?: string;
  namespace?: string;
  inspection?: string;
}

export interface PreviewScope {
  id: 'pair' | 'client' | 'namespace' | 'rule';
  title: string;
  scope: Scope;
  would_hide: number;
  left_visible: number;
  shapes: number;
  unopened: number;
  days: { day: string; hidden: number; shown: number }[];
}

export interface Preview {
  scopes: PreviewScope[];
  took_ms: number;
}

export type SuppressionMode = 'hide' | 'limit' | 'stop';

export interface NewSuppression {
  gid: number;
  sid: number;
  scope: Scope;
  mode: SuppressionMode;
  limit?: { count: number; seconds: number };
  reason: string;
  expires: string | null;
  numbers?: { would_hide: number; left: number; shapes: number; unopened: number };
}

export interface Suppression extends NewSuppression {
  id: string;
  msg: string;
  author: string;
  created: string;
  silenced: number;
  silenced_last: string | null;
  /** Dropped by nodes (limit, stop) since their starts; not among the silenced. */
  dropped: number;
  active: { nodes: number; of: number };
  resource?: ClusterResource;
  yaml: string;
  version?: number;
}

/** A group that people have dismissed again and again. */
export interface Suggestion {
  group: Group;
  times: number;
  people: number;
  reasons: Record<string, number>;
}

export interface Suggestions {
  items: Suggestion[];
  days: number;
  partial: boolean;
}

/** The resource of the cluster that asks for something: it is changed there, with `edit`. */
export interface ClusterResource {
  kind: string;
  namespace: string;
  name: string;
  edit: string;
}

export interface AlertException {
  id: string;
  description: string;
  selector: string;
  start: string;
  end: string | null;
  author: string;
  active: boolean;
  resource?: ClusterResource;
  /** Why it does nothing; where in the selector, if it is that. */
  error?: { message: string; offset?: number; suggestion?: string };
}

export interface Field {
  name: string;
  aliases: string[];
  type: string;
  values?: string[];
  description: string;
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

export interface InspectionRow {
  namespace: string;
  name: string;
  selector: string;
  endpoints: number;
  nodes_active: number;
  nodes: number;
  packets: number;
  drops: number;
  alerts: number;
  conditions: Condition[];
}

export interface NodeRow {
  name: string;
  version: string;
  rule_set: string;
  rules: number;
  last_heartbeat: string;
  /** Heard of within `silent_after`. */
  alive: boolean;
  packets: number;
  bytes: number;
  drops: Record<string, number>;
  memory: number;
  endpoints: number;
  interfaces: unknown[];
}

export interface Nodes {
  items: NodeRow[];
  /** Seconds. */
  silent_after: number;
}

export type BlindReason = 'encrypted' | 'gap' | 'truncated' | 'midstream';

/** Something that agents could not inspect. */
export interface UnseenRow {
  node: string;
  /** Empty: of the whole node. */
  interface: string;
  reason: string;
  service: string | null;
  port: number | null;
  unit: string;
  count: number;
}

export interface BlindSpots {
  from: string;
  to: string;
  alerts: {
    alerts: number;
    partial: number;
    reasons: ValueCount[];
    workloads: {
      workload: string;
      partial: number;
      alerts: number;
      reasons: Partial<Record<BlindReason, number>>;
    }[];
  };
  /** Null for who does not see all namespaces. */
  traffic: {
    since: string;
    interfaces: { node: string; interface: string; flows: number; encrypted: number }[];
    rows: UnseenRow[];
    more: boolean;
  } | null;
}

export type RuleSort = 'id' | 'cost';

export interface RuleCost {
  /** Part of the time that evaluating rules takes, 0 to 1. */
  share: number;
  average_us: number;
  evaluations: number;
  matches: number;
  nodes: number;
}

export interface RuleRow {
  gid: number;
  sid: number;
  rev: number;
  msg: string;
  classtype: string | null;
  priority: number;
  /** `missing`: in a file of the manager, but in the set of no node. `seen`: in neither, but in alerts. */
  state: 'active' | 'disabled' | 'unsupported' | 'missing' | 'seen';
  /** Nodes that are alive and have it in force; null: agents have not told. */
  nodes: number | null;
  why: string | null;
  hits: number;
  /** By samples of the nodes that are alive; null where none is known. */
  cost: RuleCost | null;
  groups_open: number;
}

export interface RuleDetail extends RuleRow {
  text: string;
  words: string[] | string;
  file: string;
  line: number;
  references: string[];
  metadata: [string, string][] | Record<string, string>;
  days: { day: string; count: number }[];
  tuning: Suppression[];
}

export interface SinkRow {
  name: string;
  kind: string;
  state: string;
  delivered: number;
  duplicates: number;
  rejected: number;
  retried: number;
  lost: number;
  lag_records: number;
  lag_seconds: number;
  last_error: string | null;
  last_error_at: string | null;
}

export interface AuditEntry {
  at: string;
  by: string;
  what: string;
  detail: string | Record<string, unknown> | null;
}

export interface View {
  name: string;
  url: string;
  /** Everybody sees it. */
  shared?: boolean;
  /** Whose; only he changes it. */
  owner?: string;
}

/** Not laid down by the contract: whatever of these the stream tells. */
export interface Health {
  nodes?: number;
  nodes_active?: number;
}
