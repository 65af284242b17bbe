// The id of this instance, by the client of AWS's own SDK, with its defaults.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func main() {
	client := imds.New(imds.Options{})
	output, err := client.GetMetadata(context.Background(), &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	value, _ := io.ReadAll(output.Content)
	fmt.Println(string(value))
}
