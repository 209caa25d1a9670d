# HTTPie, a process for each request. Its plug-ins insist on the server's proof: without it there is no answer.
# Arguments: the program, the plug-in, the URL, the file with the body, then requests such as "GET /hello".
http=$1 plugin=$2 url=$3 file=$4
shift 4
for request; do
    read -r method path <<<"$request"
    with=()
    [ "$method" = GET ] || with=(Content-Type:text/plain "@$file")
    # The name is not used: the user is the ticket's.
    answer=$("$http" --ignore-stdin --print=hb --pretty=none --timeout=30 --auth-type="$plugin" --auth=: \
        "$method" "$url$path" "${with[@]}")
    printf '%s proved %s\n' "$(sed -n '1s/^[^ ]* \([0-9]*\).*/\1/p' <<<"$answer")" "$(sed '1,/^\r*$/d' <<<"$answer")"
done
