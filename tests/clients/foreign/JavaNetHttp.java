// java.net.http, which has no Negotiate: the tokens are made by JGSS.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Base64;
import org.ietf.jgss.GSSContext;
import org.ietf.jgss.GSSManager;
import org.ietf.jgss.GSSName;
import org.ietf.jgss.Oid;

final class JavaNetHttp {
    // With HTTP/2, which it asks for by `Upgrade: h2c`, uvicorn's httptools loses the body.
    private static final HttpClient CLIENT = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    public static void main(String[] arguments) throws Exception {
        Answers.print(arguments, JavaNetHttp::ask);
    }

    private static Answers.Answer ask(String method, String url, byte[] body) throws Exception {
        URI uri = URI.create(url);
        GSSManager manager = GSSManager.getInstance();
        GSSName service = manager.createName("HTTP@" + uri.getHost(), GSSName.NT_HOSTBASED_SERVICE);
        GSSContext context =
                manager.createContext(service, new Oid("1.3.6.1.5.5.2"), null, GSSContext.DEFAULT_LIFETIME);
        context.requestMutualAuth(true);
        byte[] token = context.initSecContext(new byte[0], 0, 0);
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .header("Authorization", "Negotiate " + Base64.getEncoder().encodeToString(token));
        if (body == null) {
            request.method(method, HttpRequest.BodyPublishers.noBody());
        } else {
            request.method(method, HttpRequest.BodyPublishers.ofByteArray(body)).header("Content-Type", "text/plain");
        }
        HttpResponse<String> answer = CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        String reply = answer.headers().firstValue("WWW-Authenticate").orElse("").replace("Negotiate ", "");
        byte[] decoded = Base64.getDecoder().decode(reply);
        context.initSecContext(decoded, 0, decoded.length);
        return new Answers.Answer(answer.statusCode(), context.isEstablished(), answer.body());
    }
}
