// Apache HttpClient 5.
import java.security.Principal;
import org.apache.hc.client5.http.auth.AuthSchemeFactory;
import org.apache.hc.client5.http.auth.AuthScope;
import org.apache.hc.client5.http.auth.Credentials;
import org.apache.hc.client5.http.auth.StandardAuthScheme;
import org.apache.hc.client5.http.impl.auth.BasicCredentialsProvider;
import org.apache.hc.client5.http.impl.auth.SPNegoSchemeFactory;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.config.RegistryBuilder;
import org.apache.hc.core5.http.io.entity.EntityUtils;
import org.apache.hc.core5.http.io.support.ClassicRequestBuilder;

final class HttpClient5 {
    public static void main(String[] arguments) throws Exception {
        var nobody = new BasicCredentialsProvider(); // JGSS looks for the ticket itself
        nobody.setCredentials(new AuthScope(null, -1), new Credentials() {
            public Principal getUserPrincipal() {
                return null;
            }

            public char[] getPassword() {
                return null;
            }
        });
        var schemes = RegistryBuilder.<AuthSchemeFactory>create()
                .register(StandardAuthScheme.SPNEGO, SPNegoSchemeFactory.DEFAULT)
                .build();
        try (CloseableHttpClient client = HttpClients.custom()
                .setDefaultAuthSchemeRegistry(schemes)
                .setDefaultCredentialsProvider(nobody)
                .build()) {
            Answers.print(arguments, (method, url, body) -> {
                var request = ClassicRequestBuilder.create(method).setUri(url);
                if (body != null) {
                    request.setEntity(body, ContentType.TEXT_PLAIN);
                }
                return client.execute(
                        request.build(),
                        answer -> new Answers.Answer(
                                answer.getCode(), false, EntityUtils.toString(answer.getEntity())));
            });
        }
    }
}
