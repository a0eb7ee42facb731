// A receiver of Angarium's webhooks: verifies, answers at once, drops duplicates.
//
//	go run . SECRET_FILE...    what `angarium webhook create --secret-file` has written; several while a secret is replaced
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// Groups that may wait or be worked on unless ROOM says otherwise; a group has 1 MiB at most.
	usualRoom = 16
	// Events that are remembered (G1).
	remembered = 100_000
	// No group is longer.
	maxBody = 2 * 1024 * 1024
	// Angarium waits no longer for an answer (D1).
	patience = 5 * time.Second
)

// What `angarium webhook create --secret-file` has written.
type secretFile struct {
	URL    string `json:"url"`
	Secret string `json:"secret"`
}

type request struct {
	headers http.Header
	body    []byte
}

type receiver struct {
	verifiers []*standardwebhooks.Webhook
	// Who waits or is worked on holds a place; none left is 503, and the group comes again.
	places  chan struct{}
	waiting chan request
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusRequestTimeout)
		return
	}
	if err := r.verify(body, req.Header); err != nil {
		fmt.Println("refused", err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	// There is room or there is none; to wait would be no answer (G5).
	select {
	case r.places <- struct{}{}:
		r.waiting <- request{req.Header, body}
		w.WriteHeader(http.StatusNoContent)
	default:
		fmt.Println("full")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (r *receiver) verify(body []byte, headers http.Header) error {
	err := errors.New("no secret")
	for _, verifier := range r.verifiers {
		if err = verifier.Verify(body, headers); err == nil {
			return nil
		}
	}
	return err
}

type key struct {
	account         int64
	name, id, again string
}

// What was taken before; of more than it remembers it forgets what came longest ago.
type seen struct {
	keys map[key]struct{}
	ring [remembered]key
	next int
}

func (s *seen) isNew(k key) bool {
	if _, known := s.keys[k]; known {
		return false
	}
	if len(s.keys) == remembered {
		delete(s.keys, s.ring[s.next])
	}
	s.keys[k], s.ring[s.next] = struct{}{}, k
	s.next = (s.next + 1) % remembered
	return true
}

func (r *receiver) work() {
	known := &seen{keys: map[key]struct{}{}}
	for req := range r.waiting {
		if err := take(known, req); err != nil {
			fmt.Println("unreadable", err)
		}
		<-r.places
	}
}

// Yours goes here; it may take its time.
func take(known *seen, req request) error {
	var group struct {
		AccountID int64 `json:"accountId"`
		Events    []struct {
			ID   string `json:"eventId"`
			Name string `json:"eventName"`
		} `json:"events"`
	}
	if err := json.Unmarshal(req.body, &group); err != nil {
		return err
	}
	// What someone asked for again is wanted though it was taken: of it another attempt alone is a duplicate.
	again := ""
	if req.headers.Get("angarium-again") != "" {
		again = req.headers.Get("webhook-id")
	}
	for _, event := range group.Events {
		what := "duplicate"
		if known.isNew(key{group.AccountID, event.Name, event.ID, again}) {
			what = "take"
		}
		fmt.Println(what, event.Name, event.ID)
	}
	return nil
}

func run(paths []string) error {
	if len(paths) == 0 {
		return errors.New("say where the secret is: go run . SECRET_FILE...")
	}
	room := usualRoom
	if text := os.Getenv("ROOM"); text != "" {
		var err error
		if room, err = strconv.Atoi(text); err != nil || room < 0 {
			return fmt.Errorf("ROOM is a number of groups, not %q", text)
		}
	}
	r := &receiver{places: make(chan struct{}, room), waiting: make(chan request, room)}
	var first secretFile
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var file secretFile
		if err := json.Unmarshal(text, &file); err != nil {
			return fmt.Errorf("%s is no file of --secret-file: %w", path, err)
		}
		verifier, err := standardwebhooks.NewWebhook(file.Secret)
		if err != nil {
			return fmt.Errorf("the secret in %s: %w", path, err)
		}
		r.verifiers = append(r.verifiers, verifier)
		if i == 0 {
			first = file
		}
	}
	at, err := url.Parse(first.URL)
	if err != nil {
		return err
	}
	port := at.Port()
	if port == "" {
		port = "80"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(at.Hostname(), port))
	if err != nil {
		return err
	}
	go r.work()
	fmt.Println("listening", at)
	server := &http.Server{Handler: r, ReadTimeout: patience, WriteTimeout: patience}
	return server.Serve(listener)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}
