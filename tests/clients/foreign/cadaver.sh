# cadaver, a client of WebDAV. It prints no status: what it got is in the file, or nothing is.
# It asks on a terminal alone whether it may trust a certificate; `script` gives it one.
# Arguments: the program, the URL, the file with the body, then requests such as "GET /hello".
cadaver=$1 url=$2
shift 3
cd "$HOME" || exit
{
    echo y
    number=0
    for request; do
        number=$((number + 1))
        echo "get ${request#GET } answer$number"
    done
    echo quit
} | script --quiet --return --command "'$cadaver' --tolerant '$url/'" /dev/null >&2
for answer in answer*; do
    printf '200 - %s\n' "$(cat "$answer")"
done
