# Subversion, a client of WebDAV. It does not show what the application says, only that it found no repository there.
# Where it is not let in, it says that instead.
# Arguments: the program, the URL, the file with the body, then requests such as "OPTIONS /hello".
svn=$1 url=$2
shift 3
for request; do
    said=$("$svn" info --non-interactive --config-dir "$HOME" "$url${request#OPTIONS }" 2>&1)
    case $said in
        *E175003*"does not support the HTTP/DAV protocol") echo "200 - no repository" ;;
        *) echo "$said" ;;
    esac
done
