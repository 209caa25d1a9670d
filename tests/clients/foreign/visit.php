<?php
// PHP's curl. Arguments: the URL, the file with the body, then requests such as "GET /hello".
[, $url, $file] = $argv;
$curl = curl_init();
// PHP binds an extension to its own libraries first, so no preloaded one tells it where the tests' host is.
$resolve = [implode(':', [parse_url($url, PHP_URL_HOST), parse_url($url, PHP_URL_PORT), '127.0.0.1'])];
foreach (array_slice($argv, 3) as $request) {
    [$method, $path] = explode(' ', $request);
    curl_setopt_array($curl, [
        CURLOPT_RESOLVE => $resolve,
        CURLOPT_URL => $url . $path,
        CURLOPT_HTTPGET => true,
        CURLOPT_HTTPAUTH => CURLAUTH_NEGOTIATE,
        CURLOPT_USERPWD => ':',
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
    ]);
    if ($method === 'POST') {
        curl_setopt($curl, CURLOPT_HTTPHEADER, ['Content-Type: text/plain']);
        curl_setopt($curl, CURLOPT_POSTFIELDS, file_get_contents($file));
    }
    $body = curl_exec($curl);
    if ($body === false) {
        exit(curl_error($curl));
    }
    echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE), ' - ', $body, "\n";
}
