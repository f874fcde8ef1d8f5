// A gateway in Node that keeps nothing: parses, maps a few fields, posts with undici, answers.
'use strict';
const fs = require('fs');
const http = require('http');
const { Agent, request } = require('undici');

const [port, upstream, ca] = process.argv.slice(2);
const dispatcher = new Agent({ connections: 256, connect: { ca: fs.readFileSync(ca) } });

async function forward(query, body) {
  const event = JSON.parse(body);
  const alert = {
    title_rule: event.df_title,
    event_status: 'Critical',
    alert_key: event.df_monitor_checker_event_ref,
    description: event.df_message,
    labels: { check: event.df_monitor_checker_name, link: event.df_event_link, host: event.host },
  };
  const answer = await request(upstream + query, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(alert),
  });
  await answer.body.dump();
  return answer.statusCode;
}

http.createServer((incoming, outgoing) => {
  const pieces = [];
  incoming.on('data', (piece) => pieces.push(piece));
  incoming.on('end', () => {
    forward(incoming.url.slice(incoming.url.indexOf('?')), Buffer.concat(pieces))
      .then((status) => outgoing.writeHead(status, { 'content-type': 'application/json' }))
      .catch(() => outgoing.writeHead(503))
      .then(() => outgoing.end('{"outcome":"delivered"}'));
  });
}).listen(Number(port), '127.0.0.1', 1024);
