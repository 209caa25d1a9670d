// Node: the package `kerberos` for the tokens, and a client of HTTP, or of WebSockets, that sends them.
// Arguments: the folder of the packages, the client (fetch, axios, ws), the mechanism (SPNEGO, KRB5), the URL, the file
// with the body, then requests such as "GET /hello".
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'

const [folder, client, mechanism, url, file, ...requests] = process.argv.slice(2)
const require = createRequire(`${folder}/`)
const kerberos = require('kerberos')
const service = `HTTP@${new URL(url).hostname}`
const options = { mechOID: kerberos[`GSS_MECH_OID_${mechanism}`], flags: kerberos.GSS_C_MUTUAL_FLAG }
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })

const clients = {
  async fetch (method, path, headers, body) {
    const answer = await fetch(url + path, { method, headers, body })
    return [answer.status, await answer.text(), answer.headers.get('www-authenticate')]
  },
  async axios (method, path, headers, body) {
    const answer = await require('axios').request({
      url: url + path, method, headers, data: body, httpAgent: agent, proxy: false, responseType: 'text', timeout: 30000
    })
    return [answer.status, answer.data, answer.headers['www-authenticate']]
  },
  ws (method, path, headers) {
    return new Promise((resolve, reject) => {
      const socket = new (require('ws'))(url.replace('http', 'ws') + path, { headers, handshakeTimeout: 30000 })
      let status, reply
      socket.on('upgrade', answer => { status = answer.statusCode; reply = answer.headers['www-authenticate'] })
      socket.on('message', text => resolve([status, text.toString(), reply]))
      socket.on('error', reject)
    })
  }
}

for (const request of requests) {
  const [method, path] = request.split(' ')
  const context = await kerberos.initializeClient(service, options)
  const headers = { Authorization: `Negotiate ${await context.step('')}` }
  const post = method === 'POST'
  if (post) headers['Content-Type'] = 'text/plain'
  const [status, body, reply] = await clients[client](method, path, headers, post ? readFileSync(file) : undefined)
  await context.step((reply ?? '').replace('Negotiate ', ''))
  console.log(`${status} ${context.contextComplete ? 'proved' : '-'} ${body}`)
}
agent.destroy()
