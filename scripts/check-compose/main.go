// Reads docker-compose.yml and the Dockerfile of a folder as Docker does, without an engine: the
// first with Compose's own loader, the second with BuildKit's own front end, which compiles every
// target and lints. Prints what is wrong, and ends with code 1 if anything is.
//
//	go run . FOLDER
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . FOLDER")
		os.Exit(2)
	}
	folder, ctx := os.Args[1], context.Background()
	var wrong []error
	plain, err := load(ctx, folder)
	wrong = append(wrong, err)
	example, err := load(ctx, folder, filepath.Join(folder, ".env.example"))
	wrong = append(wrong, err)
	targets, err := checkDockerfile(ctx, folder)
	wrong = append(wrong, err)
	if plain != nil && example != nil {
		wrong = append(wrong, checkServices(plain, targets), checkSame(plain, example))
	}
	if err := errors.Join(wrong...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("docker-compose.yml: %d services are right\nDockerfile: %d targets compile without a warning\n",
		len(plain.Services), len(targets))
}

// load gives the project with all its profiles, as Compose sees it with these .env files and
// without variables of a shell. Compose refuses what its schema does not know, and what does not fit
// together.
func load(ctx context.Context, folder string, envFiles ...string) (*types.Project, error) {
	given := []cli.ProjectOptionsFn{cli.WithWorkingDirectory(folder), cli.WithProfiles([]string{"*"})}
	if len(envFiles) > 0 {
		given = append(given, cli.WithEnvFiles(envFiles...), cli.WithDotEnv)
	}
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "docker-compose.yml")}, given...)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// checkServices looks for what Compose accepts and no one wants.
func checkServices(project *types.Project, targets []string) error {
	var wrong []error
	say := func(service, format string, values ...any) {
		wrong = append(wrong, fmt.Errorf("service %s: %s", service, fmt.Sprintf(format, values...)))
	}
	for name, service := range project.Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				say(name, "port %s is open to other machines", port.Published)
			}
		}
		for other, dependency := range service.DependsOn {
			if dependency.Condition != types.ServiceConditionHealthy {
				say(name, "waits for %s to be %s, not healthy", other, dependency.Condition)
			} else if project.Services[other].HealthCheck == nil {
				say(name, "waits for %s, which has no health check", other)
			}
		}
		if service.Deploy == nil || service.Deploy.Resources.Limits == nil ||
			service.Deploy.Resources.Limits.MemoryBytes == 0 || service.Deploy.Resources.Limits.NanoCPUs == 0 {
			say(name, "has no limit of memory or processors")
		}
		if service.Build != nil && !slices.Contains(targets, service.Build.Target) {
			say(name, "the Dockerfile has no target %q", service.Build.Target)
		}
	}
	return errors.Join(wrong...)
}

// checkSame holds .env.example to its word: it gives the values that are there without it.
func checkSame(plain, example *types.Project) error {
	texts := make([]string, 2)
	for at, project := range []*types.Project{plain, example} {
		text, err := project.MarshalYAML()
		if err != nil {
			return err
		}
		texts[at] = string(text)
	}
	if texts[0] == texts[1] {
		return nil
	}
	one, other := strings.Split(texts[0], "\n"), strings.Split(texts[1], "\n")
	for at := range min(len(one), len(other)) {
		if one[at] != other[at] {
			return fmt.Errorf(".env.example changes a default: %q becomes %q", one[at], other[at])
		}
	}
	return errors.New(".env.example changes a default")
}

// checkDockerfile compiles every target of the Dockerfile as a build would, and gives their names.
func checkDockerfile(ctx context.Context, folder string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(folder, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	read, err := parser.Parse(strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	stages, _, err := instructions.Parse(read.AST, nil)
	if err != nil {
		return nil, err
	}
	var wrong []error
	var targets []string
	told := map[string]bool{}
	for _, stage := range stages {
		option := dockerfile2llb.ConvertOpt{
			Config:         dockerui.Config{Target: stage.Name},
			MetaResolver:   anyImage{},
			SourceMap:      llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text),
			TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "amd64"},
			Warn: func(rule, _, url, message string, at []parser.Range) {
				line := 0
				if len(at) > 0 {
					line = at[0].Start.Line
				}
				// What is wrong with a stage is told again for each that is built on it.
				if text := fmt.Sprintf("Dockerfile:%d: %s (%s %s)", line, message, rule, url); !told[text] {
					told[text] = true
					wrong = append(wrong, errors.New(text))
				}
			},
		}
		if _, err := dockerfile2llb.Dockerfile2LLB(ctx, text, option); err != nil {
			wrong = append(wrong, fmt.Errorf("Dockerfile: target %s: %w", stage.Name, err))
		}
		for _, command := range stage.Commands {
			from, ok := command.(*instructions.CopyCommand)
			if ok && from.From == "" {
				wrong = append(wrong, checkSources(folder, from.SourcePaths))
			} else if ok && !slices.Contains(targets, from.From) {
				// BuildKit would look for an image of that name.
				wrong = append(wrong, fmt.Errorf("Dockerfile copies from %q, which is no stage before", from.From))
			}
		}
		targets = append(targets, stage.Name)
	}
	return targets, errors.Join(wrong...)
}

// checkSources looks for files that are copied into the build: they must be there, and .dockerignore
// must let them through.
func checkSources(folder string, sources []string) error {
	file, err := os.Open(filepath.Join(folder, ".dockerignore"))
	if err != nil {
		return err
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		return err
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	var wrong []error
	for _, source := range sources {
		sent := 0
		err := filepath.WalkDir(filepath.Join(folder, source), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name, err := filepath.Rel(folder, path)
			if err != nil {
				return err
			}
			hidden, err := ignored.MatchesOrParentMatches(name)
			if !hidden {
				sent++
			}
			return err
		})
		if err == nil && sent == 0 {
			err = errors.New(".dockerignore keeps all of it back")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("Dockerfile copies %s: %w", source, err))
		}
	}
	return errors.Join(wrong...)
}

// anyImage stands for every image: what is in it is known to a registry only.
type anyImage struct{}

func (anyImage) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var image ocispecs.Image
	image.OS, image.Architecture = "linux", "amd64"
	image.RootFS.Type = "layers"
	config, err := json.Marshal(image)
	return ref, digest.FromString(ref), config, err
}
