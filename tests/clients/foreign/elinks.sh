# elinks, a process for each request, which prints the page and not its status.
# Arguments: the program, the URL, the file with the body, then requests such as "GET /hello".
elinks=$1 url=$2
shift 3
for request; do
    printf '200 - %s\n' "$("$elinks" -no-connect 1 -config-dir "$HOME" -source 1 "$url${request#GET }")"
done
