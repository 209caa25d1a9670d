// Go: gokrb5, which knows no GSSAPI and makes everything itself.
// Arguments: the URL, the file with the body, then requests such as "GET /hello".
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/spnego"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	url, file, requests := os.Args[1], os.Args[2], os.Args[3:]
	realm, err := config.Load(os.Getenv("KRB5_CONFIG"))
	check(err)
	cache, err := credentials.LoadCCache(strings.TrimPrefix(os.Getenv("KRB5CCNAME"), "FILE:"))
	check(err)
	user, err := client.NewFromCCache(cache, realm, client.DisablePAFXFAST(true))
	check(err)
	body, err := os.ReadFile(file)
	check(err)
	visitor := spnego.NewClient(user, nil, "")
	for _, text := range requests {
		method, path, _ := strings.Cut(text, " ")
		var with io.Reader
		if method == "POST" {
			with = bytes.NewReader(body)
		}
		request, err := http.NewRequest(method, url+path, with)
		check(err)
		answer, err := visitor.Do(request)
		check(err)
		content, err := io.ReadAll(answer.Body)
		check(err)
		answer.Body.Close()
		fmt.Printf("%d - %s\n", answer.StatusCode, content)
	}
}
