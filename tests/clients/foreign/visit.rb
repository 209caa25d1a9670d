# Ruby: Net::HTTP, and ruby-gssapi for the tokens, which have no SPNEGO around them.
# Arguments: the URL, the file with the body, then requests such as "GET /hello".
require 'base64'
require 'gssapi'
require 'net/http'

url, file, *requests = ARGV
uri = URI(url)
Net::HTTP.start(uri.host, uri.port, nil) do |http|
  requests.each do |text|
    method, path = text.split
    client = GSSAPI::Simple.new(uri.host, 'HTTP')
    headers = { 'Authorization' => "Negotiate #{Base64.strict_encode64(client.init_context)}" }
    headers['Content-Type'] = 'text/plain' if method == 'POST'
    answer = http.send_request(method, path, method == 'POST' ? File.read(file) : nil, headers)
    reply = Base64.strict_decode64(answer['WWW-Authenticate'].delete_prefix('Negotiate '))
    proof = client.init_context(reply) ? 'proved' : '-'
    puts "#{answer.code} #{proof} #{answer.body}"
  end
end
$stdout.flush
# It would free its contexts twice as it ends, and crash.
exit!(0)
