# git, a process for each request. It does not show what the application says, only that it found no branch there.
# Where it is not let in, it says that instead.
# Arguments: the URL, the file with the body, then requests such as "GET /hello".
url=$1
shift 2
for request; do
    said=$(GIT_TERMINAL_PROMPT=0 git -c http.emptyAuth=true ls-remote "$url${request#GET }" 2>&1) && said+="200 - no branch"
    echo "$said"
done
