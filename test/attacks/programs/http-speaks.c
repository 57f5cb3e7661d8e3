/* Speaks HTTP over a connection that a trusted program has by the time that somebody looks.
 *
 *   http-speaks queue PATH PROGRAM…       asks for an effect, and becomes another program that keeps the connection
 *   http-speaks helper PATH GO PROGRAM…   becomes another program, which speaks for itself; a child that it made before
 *                                         asks on the same connection, once the file GO is there
 */
#include "peer.h"

#define BODY \
  "{\"jsonrpc\":\"2.0\",\"id\":\"evil-1\",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":" \
  "{\"injected\":1},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
  "\"io.modelcontextprotocol/clientCapabilities\":{}}}}\n"

static void ask(void) {
  char request[4096];
  int length = snprintf(request, sizeof request,
    "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
    "Mcp-Name: echo\r\nContent-Length: %zu\r\n\r\n%s", strlen(BODY), BODY);
  say(LINE, request, (size_t)length);
}

int main(int argc, char **argv) {
  const char *how = argc > 3 ? argv[1] : "";
  if (strcmp(how, "queue") == 0) {
    connect_to(argv[2]);
    ask();
    become(argv + 3);
  } else if (strcmp(how, "helper") == 0 && argc > 4) {
    connect_to(argv[2]);
    if (fork_helper() == 0) {
      wait_for(argv[3]);
      ask();
      hear_all();
      return 0;
    }
    become(argv + 4);
  }
  return 64;
}
