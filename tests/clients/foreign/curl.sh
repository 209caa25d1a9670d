# curl. Arguments: the URL, the file with the body, then requests such as "GET /hello".
url=$1 file=$2
shift 2
answers=$(mktemp -d)
command=(curl -q)
number=0
for request; do
    read -r method path <<<"$request"
    number=$((number + 1))
    [ "$number" = 1 ] || command+=(--next)
    command+=(--silent --show-error --max-time 30 --negotiate -u : --write-out '%{http_code}\n')
    command+=(--output "$answers/$number" "$url$path")
    [ "$method" = GET ] || command+=(--header 'Content-Type: text/plain' --data-binary "@$file")
done
number=0
"${command[@]}" | while read -r status; do
    number=$((number + 1))
    printf '%s - %s\n' "$status" "$(cat "$answers/$number")"
done
rm -r "$answers"
