// The echo function on the Go runtime: decodes the event to Go values and answers with them.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func echo(_ context.Context, event any) (any, error) {
	return event, nil
}

func main() {
	lambda.Start(echo)
}
