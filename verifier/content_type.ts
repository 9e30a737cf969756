// The media type of every question to the sidecar and of every answer; njs/sidecar.ts has it too.

export const contentType = 'application/vnd.keygate+json';
