package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// containerfile parses the recipe as BuildKit does, and looks at what the last stage promises.
func containerfile(folder string) (string, error) {
	file, err := os.Open(filepath.Join(folder, "container", "Containerfile"))
	if err != nil {
		return "", err
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		return "", err
	}
	if len(parsed.Warnings) > 0 {
		return "", fmt.Errorf("%s", parsed.Warnings[0].Short)
	}
	stages, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return "", err
	}
	names := map[string]bool{}
	for _, stage := range stages {
		for _, command := range stage.Commands {
			if copied, yes := command.(*instructions.CopyCommand); yes && copied.From != "" && !names[copied.From] {
				return "", fmt.Errorf("a stage copies from %q, which is no stage before it", copied.From)
			}
		}
		names[stage.Name] = true
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		return "", fmt.Errorf("the last stage is from %s", last.BaseName)
	}
	user, health, entry := "", false, false
	for _, command := range last.Commands {
		switch command := command.(type) {
		case *instructions.UserCommand:
			user = command.User
		case *instructions.HealthCheckCommand:
			health = len(command.Health.Test) > 0 && command.Health.Test[0] == "CMD"
		case *instructions.EntrypointCommand:
			entry = !command.PrependShell
		case *instructions.RunCommand:
			return "", fmt.Errorf("the last stage has a RUN, and no shell")
		}
	}
	if !strings.HasPrefix(user, "65532") || !health || !entry {
		return "", fmt.Errorf("user %q, health check %v, entry point without a shell %v", user, health, entry)
	}
	return fmt.Sprintf("%d stages", len(stages)), nil
}

// compose loads the file as Compose does, by its schema, and looks whether what it mounts is there.
func compose(folder string) (string, error) {
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose", "compose.yaml")}, cli.WithName("check"))
	if err != nil {
		return "", err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return "", err
	}
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type != "bind" {
				continue
			}
			if _, err := os.Stat(volume.Source); err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
		}
		if build := service.Build; build != nil {
			if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return fmt.Sprintf("%d services", len(project.Services)), nil
}

func containerChecks(folder string) []check {
	return []check{
		{"container/Containerfile", func() (string, error) { return containerfile(folder) }},
		{"compose/compose.yaml", func() (string, error) { return compose(folder) }},
	}
}
