// Package stream is how a judge of expositions is spoken to.
//
// Standard input is a sequence of bodies, each behind a line of JSON that announces it:
//
//	{"id": "any text", "content_type": "text/plain; version=0.0.4", "length": 1234, "among": ["textparse"]}
//
// Standard output is a line of JSON for each, in the same order: the id, and what each parser says, by its name. A parser that does not
// know the format is left out. A judge ends with its input.
package stream

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"os"
	"slices"
)

// Opinion is one parser's. Samples and the others count what came before Error, where that is set.
type Opinion struct {
	Accepted bool   `json:"accepted"`
	Samples  int    `json:"samples"`
	Families int    `json:"families"`
	Error    string `json:"error,omitempty"`
	// Repeated counts samples of a series that was there before, at the same time: Prometheus keeps the first.
	Repeated int `json:"repeated,omitempty"`
	// Digest is that of all samples, with labels, value and time, in whatever order; for 64 bits, as a decimal number.
	Digest string `json:"digest,omitempty"`
	// Quoted counts samples with a name that Prometheus 2 cannot read.
	Quoted int `json:"quoted,omitempty"`
}

// Judge forms an opinion of a body. Whether it is accepted is filled in by who called: it is unless there is an error.
type Judge struct {
	Form func(body []byte, contentType string) Opinion
	// TextOnly is set where it does not know OpenMetrics.
	TextOnly bool
}

type head struct {
	ID          string `json:"id"`
	ContentType string `json:"content_type"`
	Length      int    `json:"length"`
	// Among names the parsers that are asked; nil is all.
	Among []string `json:"among"`
}

// Run asks the judges about each body, and ends the program.
func Run(judges map[string]Judge) {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	if err := run(in, out, judges); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func run(in *bufio.Reader, out *bufio.Writer, judges map[string]Judge) error {
	answers := json.NewEncoder(out)
	for {
		head, body, err := read(in)
		if err == io.EOF {
			return out.Flush()
		}
		if err != nil {
			return err
		}
		verdict := map[string]any{"id": head.ID}
		for name, judge := range judges {
			isAsked := head.Among == nil || slices.Contains(head.Among, name)
			if isAsked && (!judge.TextOnly || isText(head.ContentType)) {
				verdict[name] = guarded(judge, body, head.ContentType)
			}
		}
		if err := answers.Encode(verdict); err != nil {
			return err
		}
		// Whoever sends one body at a time waits for its answer; whoever sends many gets them in large pieces.
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// read gives io.EOF only where no body has begun.
func read(in *bufio.Reader) (head, []byte, error) {
	var head head
	line, err := in.ReadBytes('\n')
	if err == io.EOF && len(line) > 0 {
		return head, nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return head, nil, err
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return head, nil, fmt.Errorf("%q announces no body: %w", line, err)
	}
	body := make([]byte, head.Length)
	if _, err := io.ReadFull(in, body); err != nil {
		return head, nil, fmt.Errorf("body %q: %w", head.ID, io.ErrUnexpectedEOF)
	}
	return head, body, nil
}

// guarded takes a panic of a parser for its refusal.
func guarded(judge Judge, body []byte, contentType string) (opinion Opinion) {
	defer func() {
		if reason := recover(); reason != nil {
			opinion = Opinion{Error: fmt.Sprintf("panic: %v", reason)}
		}
	}()
	opinion = judge.Form(body, contentType)
	opinion.Accepted = opinion.Error == ""
	return opinion
}

func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "text/plain"
}
